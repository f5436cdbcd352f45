/** `holdfast/a2a`: the official A2A SDK (`@a2a-js/sdk`) over a store of this machine. */
export { toPushNotificationStore } from './a2a/push-notification-store.ts';
export type { A2ATaskStoreOptions, OwnerResolver } from './a2a/scoped-port.ts';
export { toA2ATaskStore } from './a2a/task-store.ts';
