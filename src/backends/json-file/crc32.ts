import zlib from 'node:zlib';

/** CRC-32 of bytes or of a text's UTF-8, going on from `previous`. Node has it built in from 20.15 on. */
export function crc32(data: string | Uint8Array, previous = 0): number {
  return builtIn
    ? builtIn(data, previous)
    : crc32ByTable(typeof data === 'string' ? Buffer.from(data) : data, previous);
}

const builtIn = (zlib as { crc32?: (data: string | Uint8Array, previous: number) => number }).crc32;

export function crc32ByTable(bytes: Uint8Array, previous = 0): number {
  let crc = ~previous;
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] as number);
  return ~crc >>> 0;
}

const table = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});
