/**
 * A task as one line of the file: a `StoredTask` with, where they say something, `revision`, `pendingSince` and `sync`.
 * The head's fields come first, then `history`, then `artifacts`, so that the head and any stretch of a long tail can be
 * read without the rest, given the line's *layout*.
 */
import { TaskStoreError } from '../../core/errors.ts';
import type { ArtifactHead, TaskHead, TaskKey } from '../../core/head.ts';
import { isoTime } from '../../core/reduce.ts';
import type { Message, Part, StoredTask } from '../../core/task.ts';
import { checkStoredTask } from '../../core/task-shapes.ts';
import { freezeJson } from './freeze.ts';
import type { Section } from './section.ts';

/** Kept, in the index, for lines that are long. */
export interface Layout {
  /** The line's first bytes, which with `}}` after them are the head. */
  readonly headLength: number;
  readonly history?: Section;
  readonly artifacts?: readonly { readonly header: ArtifactHead['header']; readonly section: Section }[];
}

/** A whole line, parsed. */
export interface ParsedTask {
  readonly head: TaskHead;
  readonly messages: readonly Message[];
  readonly parts: readonly (readonly Part[])[];
}

interface StoredLine extends StoredTask {
  revision?: number;
  pendingSince?: number;
  sync?: Record<string, unknown>;
}

/** The line up to where the tails begin. */
export function headPrefix({ key, body, messageCount: _, artifacts: __, ...rest }: TaskHead): string {
  const { taskId: id, callerId, taskType } = key;
  const { isStreaming, createdAt, updatedAt, agentUrl, pushNotification, revision, pendingSince, sync } = rest;
  const known = { id, callerId, taskType, isStreaming, createdAt, updatedAt, agentUrl, pushNotification };
  return JSON.stringify({ ...known, revision, pendingSince, sync, task: body }).slice(0, -2);
}

/** The head of a line with a layout. */
export function parseHead(prefix: string, { history, artifacts }: Layout): TaskHead {
  const line = JSON.parse(`${prefix}}}`) as StoredLine;
  return freezeJson({
    ...toHead(line),
    body: line.task,
    ...(history && { messageCount: history.count }),
    ...(artifacts && { artifacts: artifacts.map(({ header, section }) => ({ header, partCount: section.count })) }),
  });
}

/** A line this backend wrote itself. */
export function parseLine(text: string): ParsedTask {
  return toParsed(JSON.parse(text) as StoredLine);
}

/** A line that anybody may have written. Throws `INVALID_ARGUMENT` with what is wrong, or the parser's own error. */
export function parseForeignLine(text: string): ParsedTask {
  const line = JSON.parse(text) as StoredLine;
  checkStoredTask(line);
  const { revision = 1, pendingSince = 0, sync = {} } = line;
  if (!Number.isSafeInteger(revision) || !Number.isFinite(pendingSince) || typeof sync !== 'object') {
    throw new TaskStoreError('INVALID_ARGUMENT', 'revision and pendingSince are numbers, sync is an object');
  }
  return toParsed(line);
}

function toParsed(line: StoredLine): ParsedTask {
  const { history, artifacts, ...body } = line.task;
  const head: TaskHead = {
    ...toHead(line),
    body,
    ...(history && { messageCount: history.length }),
    ...(artifacts && {
      artifacts: artifacts.map(({ parts, ...header }) => ({
        header: { ...header, index: header.index ?? 0 },
        partCount: parts.length,
      })),
    }),
  };
  return freezeJson({ head, messages: history ?? [], parts: (artifacts ?? []).map(({ parts }) => parts) });
}

function toHead(line: StoredLine): Omit<TaskHead, 'body'> {
  const { id, callerId, taskType, isStreaming, createdAt, updatedAt, agentUrl, pushNotification } = line;
  const { revision = 1, pendingSince, sync } = line;
  const key: TaskKey = { callerId, taskType, taskId: id };
  return {
    key,
    revision,
    isStreaming,
    createdAt: canonicalTime(createdAt),
    updatedAt: canonicalTime(updatedAt),
    ...(pushNotification && { pushNotification }),
    ...(agentUrl !== undefined && { agentUrl }),
    ...(pendingSince !== undefined && { pendingSince }),
    ...(sync && { sync }),
  };
}

/** People write times in other forms of ISO 8601, and days and hours that run over: the 30th of February, 24 o'clock. */
function canonicalTime(time: string): string {
  return isoTime(Date.parse(time));
}
