/**
 * What the agent does next, from what is stored of its task and nothing else: after a reload, a crash or in another tab the
 * work goes on behind its last stored step.
 */
import type { Artifact, Message, Task, TaskStatus } from 'holdfast';
import { type Analysis, analyse, summarise } from './analysis.ts';
import { fromBase64, toBase64 } from './base64.ts';

/** One step: a status with its message, or an artifact with its next parts. */
export type AgentChange =
  | { readonly status: TaskStatus; readonly artifact?: undefined }
  | { readonly artifact: Artifact; readonly status?: undefined };

/** The numbers of the agent's artifacts. */
export const artifacts = { terms: 0, summary: 1, report: 2 } as const;

const QUESTION = 'How long shall the summary be: short, medium or long? A number of sentences will do, too.';
const lengths = { short: 2, medium: 4, long: 7 } as const;
const WORDS_A_CHUNK = 5;

export function nextChange(task: Task): AgentChange | undefined {
  const text = textOf(task);
  if (text === undefined) return fail('This is no text that I can read: it is not UTF-8.');
  const analysis = analyseOnce(text);
  if (analysis.sentences.length === 0) return fail('There is no sentence in this text.');
  return readStep(task, analysis) ?? termsStep(task, analysis) ?? questionStep(task) ?? summarySteps(task, analysis);
}

/** Whether there is something for the agent to do: not where the task is finished, nor where its user has not answered. */
export function isDue({ status, history = [] }: Task): boolean {
  if (status.state === 'input-required') return history.at(-1)?.role === 'user';
  return status.state === 'submitted' || status.state === 'working';
}

function readStep(task: Task, { sentences, wordCount, distinctWords }: Analysis): AgentChange | undefined {
  if (placeOf(task, 'read') >= 0) return undefined;
  const minutes = Math.max(1, Math.round(wordCount / 220));
  const found = `${plural(sentences.length, 'sentence')}, ${plural(wordCount, 'word')}, ${distinctWords} of them different`;
  return say('working', 'read', `I have read it: ${found}; about ${plural(minutes, 'minute')} of reading.`);
}

function termsStep(task: Task, { terms }: Analysis): AgentChange | undefined {
  if (findArtifact(task, artifacts.terms)) return undefined;
  const name = 'Telling terms';
  const description = 'Frequent in the text, but not in every sentence of it';
  const data = terms.map(({ term, count, weight }) => ({ term, count, weight }));
  return { artifact: { index: artifacts.terms, name, description, parts: [{ type: 'data', data }], lastChunk: true } };
}

function questionStep(task: Task): AgentChange | undefined {
  const asked = placeOf(task, 'question');
  if (asked < 0) return say('input-required', 'question', QUESTION);
  if (placeOf(task, 'answer') >= 0) return undefined;
  const answer = task.history?.slice(asked + 1).findLast(({ role }) => role === 'user');
  if (!answer) return undefined;
  const length = toLength(plainText(answer));
  if (length === undefined) return say('input-required', 'question', `I did not understand. ${QUESTION}`);
  return say('working', 'answer', `A summary of ${plural(length, 'sentence')}, then.`, { length });
}

function summarySteps(task: Task, { sentences, terms }: Analysis): AgentChange | undefined {
  const answer = task.history?.[placeOf(task, 'answer')];
  if (!answer || task.status.state !== 'working') return undefined;
  const summary = summarise(sentences, Number(answer.metadata?.length ?? lengths.medium)).join(' ');
  const chunks = toChunks(summary);
  const { parts = [], lastChunk } = findArtifact(task, artifacts.summary) ?? {};
  if (!lastChunk) {
    const chunk = chunks[parts.length] ?? '';
    const isLast = parts.length >= chunks.length - 1;
    const header = { index: artifacts.summary, name: 'Summary', append: parts.length > 0, lastChunk: isLast };
    return { artifact: { ...header, parts: [{ type: 'text', text: chunk }] } };
  }
  if (!findArtifact(task, artifacts.report)) return { artifact: report(terms, summary) };
  return say('completed', 'done', 'Done: the telling terms, the summary, and both as a file.');
}

function report(terms: Analysis['terms'], summary: string): Artifact {
  const text = `# Summary\n\n${summary}\n\n# Telling terms\n\n${terms.map(({ term, count }) => `- ${term} (${count})\n`).join('')}`;
  const file = { name: 'report.md', mimeType: 'text/markdown', bytes: toBase64(new TextEncoder().encode(text)) };
  return { index: artifacts.report, name: 'Report', parts: [{ type: 'file', file }], lastChunk: true };
}

/** What the user gave to be analysed; undefined where its bytes are no text. */
export function textOf({ history: [message] = [] }: Task): string | undefined {
  const [part] = message?.parts ?? [];
  if (part?.type === 'text') return part.text;
  if (part?.type !== 'file' || part.file.bytes === undefined) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(fromBase64(part.file.bytes));
  } catch {
    return undefined;
  }
}

/** Whole words with the space behind them: put together they are the text again. */
export function toChunks(text: string): string[] {
  const words = text.match(/\S+\s*/g) ?? [];
  return Array.from({ length: Math.ceil(words.length / WORDS_A_CHUNK) }, (_, i) =>
    words.slice(i * WORDS_A_CHUNK, (i + 1) * WORDS_A_CHUNK).join(''),
  );
}

function toLength(answer: string): number | undefined {
  const number = Number(/\d+/.exec(answer)?.[0]);
  if (number > 0) return Math.min(number, 50);
  const named = Object.entries(lengths).find(([name]) => answer.toLowerCase().includes(name));
  return named?.[1];
}

function say(state: TaskStatus['state'], step: string, text: string, facts: Record<string, unknown> = {}): AgentChange {
  const metadata = { step, ...facts };
  return { status: { state, message: { role: 'agent', parts: [{ type: 'text', text }], metadata } } };
}

function fail(text: string): AgentChange {
  return say('failed', 'failed', text);
}

/** Where in the history the agent last said that this step is done, or -1. */
function placeOf({ history = [] }: Task, step: string): number {
  return history.findLastIndex(({ role, metadata }) => role === 'agent' && metadata?.step === step);
}

function findArtifact({ artifacts: all = [] }: Task, index: number): Artifact | undefined {
  return all.find((artifact) => artifact.index === index);
}

export function plainText({ parts }: Pick<Message, 'parts'>): string {
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

function plural(count: number, noun: string): string {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

let latest: { readonly text: string; readonly analysis: Analysis } | undefined;

/** Every step needs the analysis, and the steps of one text follow each other. */
function analyseOnce(text: string): Analysis {
  if (latest?.text !== text) latest = { text, analysis: analyse(text) };
  return latest.analysis;
}
