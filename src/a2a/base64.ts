/** Base64 by what browsers and Node both have; Node's Buffer is not needed. */

/** Arguments of one call; more overflow the stack. */
const CHUNK = 8192;

export function encodeBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += CHUNK) binary += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
  return btoa(binary);
}

/** Takes the URL alphabet and stray characters as Buffer does: what others stored must not fail here. */
export function decodeBase64(text: string): Uint8Array {
  const clean = text
    .replace(/[^\w+/-]/g, '')
    .replace(/-/g, '+')
    .replace(/_/g, '/');
  const binary = atob(clean.length % 4 === 1 ? clean.slice(0, -1) : clean);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
