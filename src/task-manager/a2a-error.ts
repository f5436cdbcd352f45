/** The refusals that A2A and JSON-RPC number. */
export const a2aErrorCodes = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  taskNotFound: -32001,
  taskNotCancelable: -32002,
  pushNotificationNotSupported: -32003,
  unsupportedOperation: -32004,
} as const;

export type A2AErrorName = keyof typeof a2aErrorCodes;

/**
 * A refusal that a caller of the agent is told of. Its `code` is what A2A assigns; tell errors apart by it.
 *
 * @example
 * await manager.cancelTask({ id: 't1' }).catch((error) => error.code); // -32002 where the task is finished
 */
export class A2AError extends Error {
  override readonly name = 'A2AError';
  readonly code: number;
  /** Further facts for the caller, as JSON. */
  readonly data: unknown;

  constructor(name: A2AErrorName, message: string, data?: unknown) {
    super(message);
    this.code = a2aErrorCodes[name];
    this.data = data;
  }
}
