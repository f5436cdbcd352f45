/** Push configurations on Elkar's wire, as its endpoint and its clients see them. Pure. */
import { isObject, type Json } from '../core/json.ts';
import type { PushNotificationConfig } from '../core/task.ts';

/** Elkar's model wraps the configuration with the task's id. */
export function decodePushNotification(wire: unknown): PushNotificationConfig | undefined {
  if (!isObject(wire)) return undefined;
  const config = wire.pushNotificationConfig ?? wire.push_notification_config ?? wire;
  if (!isObject(config)) return undefined;
  const { authentication, ...rest } = withoutNull(config, 'token', 'authentication');
  const auth = isObject(authentication) ? withoutNull(authentication, 'credentials') : authentication;
  return { ...rest, ...(auth !== undefined && { authentication: auth }) } as PushNotificationConfig;
}

/** Rust and Python write null for what is not there. */
function withoutNull(item: Json, ...names: readonly string[]): Json {
  return Object.fromEntries(Object.entries(item).filter(([name, value]) => value !== null || !names.includes(name)));
}
