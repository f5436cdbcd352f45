/** Calls of a store whose database fails. */

/** What calls may fail with where the database does. */
const codes = ['IO_ERROR', 'STORE_TIMEOUT', 'STORE_UNAVAILABLE', 'QUOTA_EXCEEDED'];

/** The code of an error that is the database's doing; any other comes out. */
export async function failureOf(call: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    const code = codeOf(error);
    // What the store itself stumbled over is no fault of the database.
    const isOwn = (error as Error).cause instanceof TypeError;
    if (isOwn || code === undefined || !codes.includes(code)) throw error;
    return code;
  }
}

/** The answer of a call that has nothing to fail for, but on a slow machine may take longer than its store would wait. */
export async function insisted<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (codeOf(error) !== 'STORE_TIMEOUT' || attempt === 10) throw error;
    }
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string }).code;
}

/** A message that is told from all others by the first word of its text. */
export function say(item: string, length = 0) {
  return { role: 'agent' as const, parts: [{ type: 'text' as const, text: `${item} ${'x'.repeat(length)}` }] };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Fails where the work takes longer. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, end]);
  } finally {
    clearTimeout(timer);
  }
}
