/** Where the head and the items lie in a line whose layout the index does not tell: found out without parsing all of it. */
import { endOfValue, indexOfByte } from './json-bytes.ts';
import { MARK_STEP, type Section } from './section.ts';
import type { Layout } from './stored-line.ts';

const NEWLINE = 10;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN = 0x5b;
const CLOSE = 0x5d;

/** The layout of a line, found out from its bytes; undefined where it is not written as this backend writes lines. */
export function layoutOf(line: Buffer): Layout | undefined {
  if (indexOfByte(line, NEWLINE, 0) >= 0) return undefined;
  const task = findField(line, 1, ['"task"']);
  let tail = task && findField(line, task.value + 1, ['"history"', '"artifacts"']);
  if (!tail || line[tail.start - 1] !== COMMA) return undefined;
  const headLength = tail.start - 1;
  let end = 0;
  let history: Section | undefined;
  let artifacts: Layout['artifacts'];
  if (tail.name === '"history"') {
    history = itemsAt(line, tail.value);
    if (!history) return undefined;
    end = history.end + 1;
    tail = line[end] === COMMA ? findField(line, end + 1, ['"artifacts"']) : undefined;
    if (tail && tail.start !== end + 1) return undefined;
  }
  if (tail) {
    const found = artifactsAt(line, tail.value);
    if (!found) return undefined;
    ({ artifacts, end } = found);
  }
  const isAll = line.length === end + 2 && line.toString('latin1', end) === '}}';
  return isAll ? { headLength, ...(history && { history }), ...(artifacts && { artifacts }) } : undefined;
}

interface Field {
  readonly name: string;
  readonly start: number;
  readonly value: number;
}

/** The first field from here on that has one of these names. */
function findField(line: Buffer, start: number, names: readonly string[]): Field | undefined {
  for (let at = start; line[at] === QUOTE; at++) {
    const colon = endOfValue(line, at) ?? line.length;
    const name = line.toString('utf8', at, colon);
    if (names.includes(name)) return { name, start: at, value: colon + 1 };
    at = endOfValue(line, colon + 1) ?? line.length;
    if (line[at] !== COMMA) return undefined;
  }
  return undefined;
}

function itemsAt(line: Buffer, open: number): Section | undefined {
  if (line[open] !== OPEN) return undefined;
  const start = open + 1;
  const marks: number[] = [];
  let count = 0;
  let at = start;
  while (line[at] !== CLOSE || count > 0) {
    if (count++ % MARK_STEP === 0) marks.push(at - start);
    const end = endOfValue(line, at);
    if (end === undefined || end === at) return undefined;
    at = end;
    if (line[at] === CLOSE) break;
    if (line[at++] !== COMMA) return undefined;
  }
  return { start, end: at, count, marks };
}

function artifactsAt(line: Buffer, open: number) {
  if (line[open] !== OPEN) return undefined;
  const artifacts: NonNullable<Layout['artifacts']>[number][] = [];
  let at = open + 1;
  while (line[at] !== CLOSE || artifacts.length > 0) {
    const parts = findField(line, at + 1, ['"parts"']);
    const section = parts && itemsAt(line, parts.value);
    if (!parts || !section || line.toString('latin1', section.end, section.end + 2) !== ']}') return undefined;
    const fields = line.toString('utf8', at, parts.start).replace(/,$/, '');
    const header = JSON.parse(`${fields}}`);
    artifacts.push({ header: { ...header, index: header.index ?? 0 }, section });
    at = section.end + 2;
    if (line[at] === CLOSE) break;
    if (line[at++] !== COMMA) return undefined;
  }
  return { artifacts, end: at + 1 };
}
