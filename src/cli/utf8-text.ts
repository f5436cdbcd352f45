const NEWLINE = 10;

/**
 * The text of a file of JSON lines. A decoder alone would put readable characters in the place of bytes that are not UTF-8;
 * here their line gets a character that JSON does not allow, so that it is refused, and `onRefused` is told its number.
 */
export async function* utf8Text(
  pieces: AsyncIterable<Uint8Array>,
  onRefused: (line: number) => void,
): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let line = 1;
  const decode = (bytes?: Uint8Array, stream = false) => {
    try {
      return decoder.decode(bytes, { stream });
    } catch {
      onRefused(line);
      return '\0';
    }
  };
  for await (const piece of pieces) {
    const texts: string[] = [];
    let at = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, at)) {
      texts.push(decode(piece.subarray(at, end)), '\n');
      line++;
      at = end + 1;
    }
    yield texts.join('') + decode(piece.subarray(at), true);
  }
  yield decode();
}
