/** Answers the agent that a key belongs to, or undefined. */
export type Authorize = (apiKey: string) => string | undefined | Promise<string | undefined>;

/**
 * An `authorize` over a fixed list of keys, each with the name of its agent. Every key is compared, each in a time that
 * does not depend on how much of it was right.
 *
 * @example createElkarHandler({ store, authorize: apiKeys({ [process.env.API_KEY ?? fail()]: 'my-agent' }) })
 */
export function apiKeys(agents: Readonly<Record<string, string>>): Authorize {
  const entries = Object.entries(agents);
  return (apiKey) => {
    let found: string | undefined;
    for (const [key, agent] of entries) if (equalsInConstantTime(apiKey, key)) found = agent;
    return found;
  };
}

/** Whether two texts are equal; the time it takes tells the length of `given` and nothing else. */
export function equalsInConstantTime(given: string, secret: string): boolean {
  let difference = given.length ^ secret.length;
  for (let i = 0; i < given.length; i++)
    difference |= given.charCodeAt(i) ^ secret.charCodeAt(i % (secret.length || 1));
  return difference === 0;
}
