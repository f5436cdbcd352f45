/** `holdfast/elkar`: a store on an Elkar server. */
export { TaskStoreError, type TaskStoreErrorCode } from './core/errors.ts';
export { type ElkarClientOptions, ElkarClientStore } from './elkar/client.ts';
export { type ApiKey, ElkarTransport, type ElkarTransportOptions, type GetTaskQuery } from './elkar/transport.ts';
export type { RemoteTask } from './elkar/wire-answers.ts';
export type { Tag, TaskTag } from './elkar/wire-items.ts';
export type { RequestOptions, WireRequest, WireRequests } from './elkar/wire-request.ts';
