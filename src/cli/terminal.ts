/** Where a command writes: answers to standard output, everything else to standard error. */
import { once } from 'node:events';

export class Terminal {
  readonly #out: NodeJS.WriteStream;
  readonly #err: NodeJS.WriteStream;

  constructor(out: NodeJS.WriteStream, err: NodeJS.WriteStream) {
    this.#out = out;
    this.#err = err;
  }

  /** One line of the answer. */
  print(line = ''): void {
    this.#out.write(`${line}\n`);
  }

  printJson(value: unknown): void {
    this.print(JSON.stringify(value));
  }

  /** A piece of a long answer; resolves when there is room for the next. */
  async write(text: string): Promise<void> {
    if (!this.#out.write(text)) await once(this.#out, 'drain');
  }

  /** A remark for people; never part of the answer. */
  note(line: string): void {
    this.#err.write(`${printable(line, { lines: true })}\n`);
  }

  /**
   * Shows how far long work has come: in place on a terminal, ten times a second at the most, else a line every five seconds.
   * `text` is asked for only when it is shown. The returned object's `end` clears the line.
   */
  progress(text: () => string): { tick(): void; end(): void } {
    const inPlace = this.#err.isTTY === true;
    const interval = inPlace ? 100 : 5_000;
    let last = inPlace ? 0 : Date.now();
    return {
      tick: () => {
        if (Date.now() - last < interval) return;
        last = Date.now();
        this.#err.write(inPlace ? `\r\x1b[K${text()}` : `${text()}\n`);
      },
      end: () => {
        if (inPlace) this.#err.write('\r\x1b[K');
      },
    };
  }
}

/** Rows as aligned columns. Numbers stand to the right. */
export function toTable(rows: readonly (readonly (string | number)[])[]): string[] {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? toNumber(cell) : printable(cell))));
  const widths = cells.reduce<number[]>((max, row) => row.map((cell, i) => Math.max(max[i] ?? 0, cell.length)), []);
  return cells.map((row, r) =>
    row
      .map((cell, c) =>
        typeof rows[r]?.[c] === 'number' ? cell.padStart(widths[c] ?? 0) : cell.padEnd(widths[c] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
}

/** `1,234` */
export function toNumber(value: number): string {
  return value.toLocaleString('en-US');
}

/** `1.3 MB` */
export function toSize(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.floor(Math.log10(bytes) / 3), units.length);
  return `${(bytes / 1_000 ** power).toFixed(1)} ${units[power - 1]}`;
}

/** Texts of tasks are anybody's: what would steer the terminal is shown, not sent. */
export function printable(text: string, { lines = false } = {}): string {
  return text.replace(/\p{Cc}/gu, (char) => {
    if (lines && char === '\n') return char;
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/** On one line, and not longer than `limit`. */
export function shorten(text: string, limit: number): string {
  const line = printable(text.replace(/\s+/g, ' '));
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line;
}
