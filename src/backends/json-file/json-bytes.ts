/** Finds its way in the bytes of a JSON text without parsing it. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;

/** Node's own search neither begins nor answers beyond 2^31. */
const REACH = 2 ** 30;

/** As `indexOf`, for bytes of any length. */
export function indexOfByte(bytes: Buffer, byte: number, from: number): number {
  if (bytes.length <= REACH) return bytes.indexOf(byte, from);
  for (let start = from; start < bytes.length; start += REACH) {
    const found = bytes.subarray(start, start + REACH).indexOf(byte);
    if (found >= 0) return start + found;
  }
  return -1;
}

/** Where the value that begins here ends, undefined where the bytes end before; whether it is JSON is the parser's to say. */
export function endOfValue(bytes: Buffer, start: number): number | undefined {
  let depth = 0;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) {
      at = endOfText(bytes, at);
      if (at < 0) return undefined;
    } else if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) depth--;
    else if (byte !== COMMA && byte !== COLON && !isSpace(byte)) continue;
    if (depth > 0) continue;
    // A closing bracket or a separator that is not this value's own ends a number or a word.
    return depth < 0 || byte === COMMA || byte === COLON || isSpace(byte) ? at : at + 1;
  }
  return undefined;
}

/** Where the quote is that ends the text which begins here; -1 where there is none. */
function endOfText(bytes: Buffer, start: number): number {
  for (let at = start + 1; ; at++) {
    at = indexOfByte(bytes, QUOTE, at);
    if (at < 0) return at;
    let slashes = 0;
    while (bytes[at - 1 - slashes] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return at;
  }
}

export function isSpace(byte: number | undefined): boolean {
  return byte === 32 || byte === 10 || byte === 13 || byte === 9;
}
