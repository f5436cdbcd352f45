/** `holdfast/elkar`: a store on an Elkar server. */
export { TaskStoreError, type TaskStoreErrorCode } from './core/errors.ts';
export { type ElkarClientOptions, ElkarClientStore } from './elkar/client.ts';
export { type ApiKey, ElkarTransport, type ElkarTransportOptions } from './elkar/transport.ts';
