/**
 * The SDK's `RequestMalformedError` without importing it: the SDK tells its errors apart by a global symbol and the
 * class's name, so that each of its bundles knows those of the others, and in that way knows this one. A bundle without
 * the SDK works, and one with it holds it once.
 */
const BRAND = Symbol.for('@a2a-js/sdk.A2AError');

/** Named at run time: a minifier must not rename it. */
export const { RequestMalformedError } = {
  RequestMalformedError: class extends Error {
    readonly reason = 'INVALID_PARAMS';
    override readonly name = 'RequestMalformedError';
    readonly [BRAND] = true;

    toErrorInfo() {
      const domain = 'a2a-protocol.org';
      return { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: this.reason, domain };
    }
  },
};
