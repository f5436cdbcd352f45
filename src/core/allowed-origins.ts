/** Origins whose pages may call, as Hono's `cors` takes them. */
export function allowedOrigins(origins: readonly string[]): string | string[] {
  // As addresses are shown and copied, they end in a slash; in what a browser sends they do not.
  return origins.includes('*') ? '*' : origins.map((origin) => origin.replace(/\/$/, ''));
}
