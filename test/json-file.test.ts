import nodeFs, {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { Low } from 'lowdb';
import { JSONFile } from 'lowdb/node';
import { describe, expect, it, vi } from 'vitest';
import type { BackendContext } from '../src/backends/backend.ts';
import type { FileSystem } from '../src/backends/json-file/file-system.ts';
import { hashText } from '../src/backends/json-file/task-index.ts';
import { jsonFile } from '../src/backends/json-file.ts';
import { encodeKey } from '../src/core/head.ts';
import { selectAll, toStoredTask } from '../src/core/record.ts';
import type { StoredTask } from '../src/core/task.ts';
import type { LocalTaskStore } from '../src/local-task-store.ts';
import { crashCopy, documentIn, journalOf, newFile, open, say, texts } from './support/json-file.ts';
import { newFolder } from './support/places.ts';

async function closedStore(count = 3): Promise<string> {
  const path = newFile();
  let now = Date.parse('2026-01-01');
  await using store = await open(path, { environment: { now: () => now++ } });
  for (let i = 0; i < count; i++) await store.upsertTask({ id: `t${i}`, message: say(`hello ${i}`) });
  return path;
}

function edit(path: string, change: (text: string) => string): void {
  writeFileSync(path, change(readFileSync(path, 'utf8')));
}

describe('the file', () => {
  it('is complete and alone after close, a task a line', async () => {
    const path = await closedStore();
    expect(readdirSync(dirname(path)).sort()).toEqual(['tasks.json', 'tasks.json.index']);
    expect(documentIn(path).tasks.map(({ id }) => id)).toEqual(['t0', 't1', 't2']);
    const lines = readFileSync(path, 'utf8').split('\n');
    expect(lines.filter((line) => line.includes('"hello '))).toHaveLength(3);
  });

  it('that was begun anew and left so is no more when the store is opened', async () => {
    const path = await closedStore();
    writeFileSync(`${path}.tmp`, 'half a file');
    await using store = await open(path);
    expect(existsSync(`${path}.tmp`)).toBe(false);
    expect((await store.listTasks()).tasks).toHaveLength(3);
  });

  it('is left as it is by a store that changed nothing', async () => {
    const path = await closedStore();
    const { ino, mtimeMs } = statSync(path);
    for (const durability of ['strict', 'relaxed'] as const) {
      await using store = await open(path, { durability });
      expect(texts(await store.getTask('t1'))).toEqual(['hello 1']);
      await store.close();
      expect(statSync(path)).toMatchObject({ ino, mtimeMs });
      expect(readdirSync(dirname(path)).sort()).toEqual(['tasks.json', 'tasks.json.index']);
    }
  });

  it('is there after close even when nothing was ever stored', async () => {
    const path = newFile();
    await (await open(path)).close();
    expect(documentIn(path).tasks).toEqual([]);
  });

  it("can be read, and written, by lowdb's own adapter", async () => {
    const path = await closedStore();
    const db = new Low(new JSONFile<ReturnType<typeof documentIn>>(path), { holdfast: {}, tasks: [] });
    await db.read();
    expect(db.data.tasks).toHaveLength(3);
    await db.update(({ tasks }) => tasks.pop());
    await using store = await open(path);
    expect((await store.listTasks()).tasks.map(({ id }) => id)).toEqual(['t1', 't0']);
  });

  it('may lie at a relative path, in a folder that is not there yet', async () => {
    const folder = newFolder();
    const path = relative(process.cwd(), join(folder, 'a', 'b', 'tasks.json'));
    await using store = await open(path);
    await store.upsertTask({ id: 't', message: say('hello') });
    expect(store.backend.location).toBe(join(folder, 'a', 'b', 'tasks.json'));
  });

  it('stays where a link leads to it', async () => {
    const path = await closedStore();
    const link = join(newFolder(), 'link.json');
    symlinkSync(path, link);
    await using store = await open(link);
    await store.upsertTask({ id: 'new', message: say('hello') });
    await store.close();
    expect(documentIn(path).tasks).toHaveLength(4);
  });

  it('comes to be where a link leads that was there first', async () => {
    const folder = newFolder();
    const path = join(folder, 'volume', 'tasks.json');
    const links = [join(folder, 'a.json'), join(folder, 'b.json')] as const;
    symlinkSync(join('volume', 'tasks.json'), links[0]);
    symlinkSync(links[0], links[1]);
    const store = await open(links[1]);
    await store.upsertTask({ id: 'new', message: say('hello') });
    for (const other of [path, ...links]) await expect(open(other)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await store.close();
    expect(documentIn(path).tasks).toHaveLength(1);
    for (const link of links) expect(lstatSync(link).isSymbolicLink()).toBe(true);
  });

  it.each([0o600, 0o664, 0o666])('keeps what its owner allowed others, whatever the umask: mode %i', async (mode) => {
    const path = await closedStore();
    chmodSync(path, mode);
    const store = await open(path);
    await store.upsertTask({ id: 'new', message: say('hello') });
    expect(statSync(journalOf(path)).mode & 0o777).toBe(mode);
    await store.close();
    expect(statSync(path).mode & 0o777).toBe(mode);
  });

  it.runIf(process.getuid?.() === 0)('stays its group’s, where another of the group changes it', async () => {
    const path = await closedStore();
    chmodSync(path, 0o660);
    chownSync(path, 4321, 1234);
    const fchownSync: FileSystem['fchownSync'] = (fd, uid, gid) => {
      if (uid === 4321) throw Object.assign(new Error('EPERM: simulated'), { code: 'EPERM' });
      nodeFs.fchownSync(fd, uid, gid);
    };
    const store = await open(path, { fs: { ...nodeFs, fchownSync } });
    await store.upsertTask({ id: 'new', message: say('hello') });
    const expected = { gid: 1234, mode: 0o100660 };
    expect(statSync(journalOf(path))).toMatchObject(expected);
    await store.close();
    for (const file of [path, `${path}.index`]) expect(statSync(file)).toMatchObject(expected);
  });

  it('may be one to read only, and is opened again after a crash', async () => {
    const path = await closedStore();
    chmodSync(path, 0o444);
    const store = await open(path);
    await store.upsertTask({ id: 'new', message: say('hello') });
    // Nobody but root could go on in a journal that may only be read.
    expect(statSync(journalOf(path)).mode & 0o777).toBe(0o644);
    await store.close();
    expect(statSync(path).mode & 0o777).toBe(0o444);
  });

  it.runIf(process.getuid?.() === 0)('stays its owner’s, though root changes it', async () => {
    const path = await closedStore();
    const owner = { uid: 4321, gid: 1234 };
    chmodSync(path, 0o600);
    chownSync(path, owner.uid, owner.gid);
    const store = await open(path);
    await store.upsertTask({ id: 'new', message: say('hello') });
    expect(statSync(journalOf(path))).toMatchObject(owner);
    await store.close();
    for (const file of [path, `${path}.index`]) expect(statSync(file)).toMatchObject(owner);
  });

  it.each(['', 'a\0b', 5, new URL('file:///tasks.json')])('cannot lie at %j', async (path) => {
    await expect(open(path as string)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  it('cannot lie where a folder or a file is in the way', async () => {
    const path = await closedStore();
    await expect(open(join(path, 'below.json'))).rejects.toMatchObject({ code: 'IO_ERROR' });
    await expect(open(dirname(path))).rejects.toMatchObject({ code: 'IO_ERROR' });
  });

  it.each(['EACCES', 'EPERM', 'EROFS', 'ERR_ACCESS_DENIED'])(
    'where nobody may write is storage that is denied: %s',
    async (code) => {
      const path = newFile();
      const openSync = ((file: string, flags: string) => {
        if (file.includes('.journal.')) throw Object.assign(new Error('simulated'), { code });
        return nodeFs.openSync(file, flags);
      }) as FileSystem['openSync'];
      const fs = { ...nodeFs, openSync };
      await expect(open(path, { fs })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
      await using store = await open(path, { fs, fallback: 'memory' });
      expect(store.backend).toMatchObject({ kind: 'memory', reason: expect.stringContaining('simulated') });
    },
  );
});

describe('a file edited by hand', () => {
  it('opens when a task was changed', async () => {
    const path = await closedStore();
    edit(path, (text) => text.replaceAll('hello 1', 'changed with care'));
    await using store = await open(path);
    expect(texts(await store.getTask('t1'))).toEqual(['changed with care']);
    expect(texts(await store.getTask('t2'))).toEqual(['hello 2']);
  });

  it('opens when it was laid out anew, and is a task a line again after a change', async () => {
    const path = await closedStore();
    edit(path, (text) => `\ufeff${JSON.stringify(JSON.parse(text), null, '\t').replaceAll('\n', '\r\n')}\r\n`);
    const store = await open(path);
    await store.updateTask('t1', { newMessages: [say('more')] });
    expect(texts(await store.getTask('t1'))).toEqual(['hello 1', 'more']);
    await store.close();
    expect(
      readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line.includes('"hello ')),
    ).toHaveLength(3);
  });

  it('opens when a task was added with the least a task needs, in another order', async () => {
    const path = await closedStore();
    const task = {
      id: 'added',
      status: { state: 'completed', timestamp: '2020-01-01T00:00:00Z' },
      custom: [1, { a: null }],
    };
    const stored = {
      id: 'added',
      taskType: 'incoming',
      isStreaming: false,
      createdAt: '2020-01-01',
      updatedAt: '2020-01-02',
      task,
    };
    edit(path, (text) => text.replace('\n]', `,\n${JSON.stringify(stored)}\n]`));
    await using store = await open(path);
    expect(await store.getTask('added')).toEqual({
      ...stored,
      createdAt: '2020-01-01T00:00:00.000Z',
      updatedAt: '2020-01-02T00:00:00.000Z',
    });
    expect((await store.listTasks()).tasks.map(({ id }) => id)).toEqual(['t2', 't1', 't0', 'added']);
  });

  it('keeps what else people wrote at its top', async () => {
    const path = await closedStore();
    edit(path, (text) => text.replace('"tasks"', '"comment": ["kept"], "tasks"'));
    const store = await open(path);
    await store.deleteTask('t0');
    await store.close();
    expect(documentIn(path)).toMatchObject({ comment: ['kept'] });
  });

  const damage: [what: string, line: number, change: (text: string) => string][] = [
    ['a bracket is missing', 3, (text) => text.replace('"hello 1"}]', '"hello 1"}')],
    ['a line is cut in two by a quote', 3, (text) => text.replace('hello 1', 'hel"lo 1')],
    ['the state is none', 4, (text) => text.replace(/"submitted"(?=[^\n]*hello 2)/, '"sleeping"')],
    ['a task stands there twice', 3, (text) => text.replaceAll('"t1"', '"t0"')],
    ['a comma is left over', 5, (text) => text.replace('\n]', ',\n]')],
    ['the end is gone', 3, (text) => text.slice(0, text.indexOf('hello 1'))],
    ['something follows', 6, (text) => `${text}{}`],
  ];

  it.each(damage)('is refused with the line when %s', async (_, line, change) => {
    const path = await closedStore();
    edit(path, change);
    const before = readFileSync(path);
    const error = await open(path).catch((error) => error);
    expect(error).toMatchObject({ code: 'STORE_CORRUPT' });
    expect(error.message).toContain(`line ${line}:`);
    expect(readFileSync(path)).toEqual(before);
    const copies = readdirSync(dirname(path)).filter((name) => name.includes('.corrupt-'));
    expect(copies.map((name) => readFileSync(join(dirname(path), name)))).toEqual([before]);
    await expect(open(path)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    expect(readdirSync(dirname(path)).filter((name) => name.includes('.corrupt-'))).toHaveLength(1);
  });

  it.each([
    ['an empty file', ''],
    ['another document', '{"users":[]}'],
    ['a list', '[]'],
    ['no UTF-8', Buffer.from([0x7b, 0xff])],
  ])('is refused and left alone when it is %s', async (_, contents) => {
    const path = newFile();
    writeFileSync(path, contents);
    await expect(open(path)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    expect(readFileSync(path)).toEqual(Buffer.from(contents));
  });

  it('is refused when a journal is there but the file is gone, or another', async () => {
    const path = await closedStore();
    const store = await open(path);
    await store.upsertTask({ id: 'new', message: say('hello') });
    const copy = crashCopy(path);
    await store.close();
    rmSync(copy);
    await expect(open(copy)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
  });
});

describe('what is read of the file', () => {
  it('stays in memory up to a limit, what is used again and again the longest', async () => {
    const path = newFile();
    const time = '2026-01-01T00:00:00.000Z';
    const status = { state: 'completed', timestamp: time };
    const tasks = Array.from({ length: 40 }, (_, n) => {
      const task = { id: `t${n}`, status, history: [say('x'.repeat(1024 * 1024))] };
      return { id: `t${n}`, taskType: 'incoming', isStreaming: false, createdAt: time, updatedAt: time, task };
    });
    writeFileSync(path, JSON.stringify({ holdfast: { format: 1 }, tasks }));
    await (await open(path)).close();
    let reads = 0;
    const readSync = ((...args: Parameters<typeof nodeFs.readSync>) => {
      reads++;
      return nodeFs.readSync(...args);
    }) as typeof nodeFs.readSync;
    await using store = await open(path, { fs: { ...nodeFs, readSync } });
    const readsFor = async (id: string) => {
      const before = reads;
      expect(texts(await store.getTask(id))[0]).toHaveLength(1024 * 1024);
      return reads - before;
    };
    for (const { id } of tasks) {
      expect(await readsFor(id)).toBe(1);
      if (id !== 't0') expect(await readsFor('t0')).toBe(0);
    }
    expect(await readsFor('t39')).toBe(0);
    expect(await readsFor('t20')).toBe(0);
    expect(await readsFor('t1')).toBe(1);
  });

  it('is refused with its place where somebody has written over it since', async () => {
    const path = await closedStore();
    await using store = await open(path);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace('"hello 1"', '{hello 1}'));
    const place = `byte ${text.split('\n').slice(0, 2).join('\n').length + 1}`;
    const refusal = { code: 'STORE_CORRUPT', message: expect.stringContaining(place) };
    await expect(store.getTask('t1')).rejects.toMatchObject(refusal);
    await expect(store.listTasks()).rejects.toMatchObject(refusal);
    expect(texts(await store.getTask('t2'))).toEqual(['hello 2']);
    writeFileSync(path, text);
    expect(texts(await store.getTask('t1'))).toEqual(['hello 1']);
  });
});

function folderInstead(path: string): void {
  rmSync(`${path}.index`);
  mkdirSync(`${path}.index`);
}

describe('the index', () => {
  const losses: [what: string, change: (path: string) => void][] = [
    ['missing', (path) => rmSync(`${path}.index`)],
    ['empty', (path) => writeFileSync(`${path}.index`, '')],
    ['of something else', (path) => writeFileSync(`${path}.index`, 'x'.repeat(5000))],
    [
      'damaged',
      (path) =>
        writeFileSync(
          `${path}.index`,
          readFileSync(`${path}.index`).map((byte, i) => (i === 300 ? byte ^ 1 : byte)),
        ),
    ],
    ['a folder', folderInstead],
  ];

  it.each(losses)('is made again when it is %s', async (_, change) => {
    const path = await closedStore();
    change(path);
    await using store = await open(path);
    expect(texts(await store.getTask('t1'))).toEqual(['hello 1']);
    expect((await store.listTasks()).tasks).toHaveLength(3);
    await store.updateTask('t1', { newMessages: [say('more')] });
    await store.close();
    expect(documentIn(path).tasks).toHaveLength(3);
  });

  it('answers lists by what the tasks are, also when it was made again, and when it was taken over', async () => {
    const path = newFile();
    let now = Date.parse('2026-01-01');
    const environment = { now: () => now++ };
    const states = ['submitted', 'working', 'completed', 'failed', 'auth-required'] as const;
    const first = await open(path, { environment });
    for (let n = 0; n < 20; n++) {
      const callerId = n % 3 === 0 ? undefined : `caller ${n % 3}`;
      await first.upsertTask({ id: `t${n}`, sessionId: `s${n % 4}`, message: say('x') }, { callerId });
      await first.updateTask(`t${n}`, { status: { state: states[n % 5] as 'working' }, callerId });
    }
    await first.upsertTaskForClient({ id: 't0', status: { state: 'working' } }, 'http://a');
    const queries = [
      ...states.map((state) => ({ state, allCallers: true })),
      ...['s0', 's3', 'none'].map((sessionId) => ({ sessionId, allCallers: true })),
      ...[undefined, 'caller 1', 'caller 2'].map((callerId) => ({ callerId })),
      { taskType: 'outgoing' as const },
      { state: 'working' as const, sessionId: 's1', allCallers: true },
    ];
    const answers = async (store: LocalTaskStore) => {
      const pages = await Promise.all(queries.map((query) => store.listTasks(query)));
      return pages.map(({ tasks }) => tasks.map(({ id, taskType }) => `${id} ${taskType}`));
    };
    const expected = await answers(first);
    expect(expected.map(({ length }) => length)).toEqual([4, 5, 4, 4, 4, 5, 5, 0, 7, 7, 6, 1, 1]);
    await first.close();
    for (const index of ['as it was written', 'made again', 'taken over']) {
      if (index === 'made again') rmSync(`${path}.index`);
      const store = await open(path, { environment });
      expect(await answers(store), index).toEqual(expected);
      // What else changes has the file written anew, with all of these as they are.
      await store.upsertTask({ id: 'other', message: say('x') }, { callerId: 'other' });
      await store.deleteTask('other', { callerId: 'other' });
      await store.close();
    }
  });

  it('tells tasks apart whose hashes are the same', async () => {
    const path = await closedStore();
    const seed = Number(/"seed":(-?\d+)/.exec(readFileSync(`${path}.index`, 'latin1'))?.[1]);
    const seen = new Map<number, string>();
    let twins: [string, string] | undefined;
    for (let n = 0; !twins; n++) {
      const id = `twin ${n}`;
      const hash = hashText(encodeKey({ callerId: undefined, taskType: 'incoming', taskId: id }), seed);
      const other = seen.get(hash);
      if (other !== undefined) twins = [other, id];
      seen.set(hash, id);
    }
    const [one, two] = twins;
    const first = await open(path);
    await first.upsertTask({ id: two, message: say('two') });
    await first.close();
    const store = await open(path);
    expect(await store.getTask(one)).toBeUndefined();
    await store.upsertTask({ id: one, message: say('one') });
    await store.close();
    const again = await open(path);
    expect(texts(await again.getTask(one))).toEqual(['one']);
    expect(texts(await again.getTask(two))).toEqual(['two']);
    expect(await again.deleteTask(one)).toBe(true);
    expect(await again.getTask(one)).toBeUndefined();
    expect(texts(await again.getTask(two))).toEqual(['two']);
    await again.close();
  });

  it('is there again at once, for those who open the file next', async () => {
    const path = await closedStore();
    const header = () => {
      const bytes = readFileSync(`${path}.index`);
      return JSON.parse(bytes.toString('utf8', 8, bytes.readUInt32LE(0)));
    };
    const written = header();
    rmSync(`${path}.index`);
    await (await open(path)).close();
    // Chosen anew each time.
    expect(header()).toEqual({ ...written, seed: expect.any(Number) });
  });

  it('spares reading the file when it is opened', async () => {
    const path = await closedStore(50);
    const nodeFs = await import('node:fs');
    let bytesRead = 0;
    const fs = {
      ...nodeFs.default,
      readSync: ((fd: number, ...rest: [NodeJS.ArrayBufferView, number, number, number]) => {
        const count = nodeFs.readSync(fd, ...rest);
        if (nodeFs.fstatSync(fd).size === statSync(path).size) bytesRead += count;
        return count;
      }) as typeof nodeFs.readSync,
    };
    await using store = await open(path, { fs });
    expect(bytesRead).toBe(0);
    expect(texts(await store.getTask('t7'))).toEqual(['hello 7']);
    expect(bytesRead).toBeGreaterThan(0);
  });
});

describe('reading only', () => {
  const context: BackendContext = { name: 'tasks', path: undefined, durability: undefined, timeoutMs: 1000 };

  it('sees what the process that has the file open has written, and changes nothing', async () => {
    const path = await closedStore();
    await using store = await open(path);
    await store.updateTask('t1', { newMessages: [say('more')] });
    const files = () => readdirSync(dirname(path)).map((name) => [name, statSync(join(dirname(path), name)).mtimeMs]);
    const before = files();
    const reader = await jsonFile({ readOnly: true }).open({ ...context, path });
    const record = await reader.read({ callerId: undefined, taskType: 'incoming', taskId: 't1' }, selectAll);
    expect(texts(record && toStoredTask(record, {}))).toEqual(['hello 1', 'more']);
    await expect(reader.setMeta('a', 1)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await reader.close();
    expect(files()).toEqual(before);
    await using through = await open(path, { readOnly: true });
    expect(through.capabilities).toMatchObject({ list: true, delete: false, watch: false });
    await expect(through.deleteTask('t1')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    expect((await through.listTasks()).tasks).toHaveLength(3);
  });

  it('says that there is no such file', async () => {
    await expect(open(newFile(), { readOnly: true })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});

describe('lists', () => {
  it('have a task of long ago in its place, however many were changed since', async () => {
    let now = Date.parse('2026-01-01');
    await using store = await open(newFile(), { environment: { now: () => (now += 2) } });
    const ids = Array.from({ length: 80 }, (_, i) => `t${i}`);
    for (const id of ids) await store.upsertTask({ id, message: say('hello') });
    const stored = (await store.getTask('t2')) as StoredTask;
    const updatedAt = new Date(Date.parse(stored.updatedAt) + 1).toISOString();
    await store.importTasks([{ ...stored, id: 'old', updatedAt, task: { ...stored.task, id: 'old' } }]);
    ids.splice(3, 0, 'old');
    const listed = async (order: 'oldest' | 'newest') => {
      const { tasks } = await store.listTasks({ order, limit: 100 });
      return tasks.map(({ id }) => id);
    };
    expect(await listed('oldest')).toEqual(ids);
    expect(await listed('newest')).toEqual(ids.reverse());
  });

  it('go on over tasks of one moment, wherever they lie', async () => {
    const path = newFile();
    const environment = { now: () => 0 };
    const ids = Array.from({ length: 40 }, (_, i) => `t${(i * 7) % 40}`);
    for (let round = 0; round < 4; round++) {
      await using store = await open(path, { environment, durability: 'relaxed' });
      for (const id of ids.slice(round * 10, round * 10 + 10)) await store.upsertTask({ id, message: say('hello') });
      await store.upsertTask({ id: ids[round * 3] as string, message: say('again') });
      for (const order of ['newest', 'oldest'] as const) {
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await store.listTasks({ order, limit: 3, cursor, state: ['submitted', 'working'] });
          seen.push(...page.tasks.map(({ id }) => id));
          cursor = page.nextCursor;
        } while (cursor);
        const sorted = ids.slice(0, round * 10 + 10).sort();
        expect(seen).toEqual(order === 'newest' ? sorted : sorted.reverse());
      }
      await store.close();
      expect(documentIn(path).tasks.map(({ id }) => id)).toEqual(
        ids
          .slice(0, round * 10 + 10)
          .sort()
          .reverse(),
      );
    }
  });
});

describe('the place', () => {
  it('is suitable in Node, not in a window of Electron', () => {
    expect(jsonFile().unsuitable()).toBeUndefined();
    vi.stubGlobal('process', Object.assign(Object.create(process), { type: 'renderer' }));
    expect(jsonFile().unsuitable()).toContain('IndexedDB');
    vi.stubGlobal('process', undefined);
    expect(jsonFile().unsuitable()).toContain('no file system');
    vi.unstubAllGlobals();
  });

  it('keeps values beside the tasks', async () => {
    const context: BackendContext = { name: 'a', path: newFile(), durability: undefined, timeoutMs: 1000 };
    const backend = await jsonFile().open(context);
    await backend.setMeta('sync', { a: [1] });
    await backend.setMeta('gone', 1);
    await backend.setMeta('gone', undefined);
    await backend.close();
    const again = await jsonFile().open(context);
    expect(await again.getMeta('sync')).toEqual({ a: [1] });
    expect(await again.getMeta('gone')).toBeUndefined();
    await again.close();
    expect(existsSync(`${context.path}.lock`)).toBe(false);
  });
});
