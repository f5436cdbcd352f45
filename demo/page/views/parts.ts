/** A part of a message or an artifact, shown as what it is: text as text, data as a table, a file to be downloaded. */
import type { FilePart, Part } from 'holdfast';
import { fromBase64 } from '../agent/base64.ts';
import { el } from '../ui/dom.ts';
import { download } from '../ui/download.ts';
import { size } from '../ui/format.ts';

const LONGEST_JSON = 20_000;

export function showPart(part: Part): Node {
  if (part.type === 'text') return document.createTextNode(part.text);
  return part.type === 'file' ? showFile(part.file) : showData(part.data);
}

function showFile({ name = 'file', mimeType = 'a file', bytes, uri }: FilePart['file']): HTMLElement {
  // An address is shown, never fetched: it is anybody's.
  if (bytes === undefined) return el('p', { class: 'file' }, `${name}, ${mimeType}, at ${uri}`);
  const save = () => download(name, [fromBase64(bytes)]);
  return el(
    'p',
    { class: 'file' },
    el('span', {}, `${name}, ${mimeType}, ${size(Math.floor((bytes.length * 3) / 4))}`),
    el('button', { type: 'button', onclick: save, 'aria-label': `Download ${name}` }, 'Download'),
  );
}

function showData(data: unknown): HTMLElement {
  const rows = asTable(data);
  if (rows) return table(rows);
  const json = JSON.stringify(data, undefined, 2) ?? '';
  return el('pre', { tabindex: 0 }, json.length > LONGEST_JSON ? `${json.slice(0, LONGEST_JSON)}…` : json);
}

/** A list of objects with the same keys, all of them simple values. */
function asTable(data: unknown): Record<string, unknown>[] | undefined {
  if (!Array.isArray(data) || data.length === 0 || data.length > 200) return undefined;
  const isPlain = (value: unknown) => typeof value !== 'object' || value === null;
  const keys = typeof data[0] === 'object' && data[0] !== null ? Object.keys(data[0]).join() : '';
  const isRow = (row: unknown) =>
    typeof row === 'object' && row !== null && Object.keys(row).join() === keys && Object.values(row).every(isPlain);
  return keys !== '' && data.every(isRow) ? data : undefined;
}

function table(rows: Record<string, unknown>[]): HTMLElement {
  const keys = Object.keys(rows[0] ?? {});
  const head = el('tr', {}, ...keys.map((key) => el('th', { scope: 'col' }, key)));
  const body = rows.map((row) => el('tr', {}, ...keys.map((key) => cell(row[key]))));
  return el('table', { class: 'data' }, el('thead', {}, head), el('tbody', {}, ...body));
}

function cell(value: unknown): HTMLElement {
  return el('td', typeof value === 'number' ? { class: 'number' } : {}, String(value));
}
