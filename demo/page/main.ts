/** Puts the page together. */
import type { Message } from 'holdfast';
import { AgentRunner } from './agent/runner.ts';
import { Figures } from './figures.ts';
import { openPageStore } from './open-page-store.ts';
import { PaceSetting } from './pace.ts';
import { RequestLog } from './sync/request-log.ts';
import { SwitchBoard } from './sync/switches.ts';
import { TabPresence } from './tab-presence.ts';
import { fromKey, keyOf, type TaskRef } from './task-key.ts';
import { Announcer } from './ui/announcer.ts';
import { el } from './ui/dom.ts';
import { BothSides } from './views/both-sides.ts';
import { Composer } from './views/composer.ts';
import { figuresLine } from './views/figures-line.ts';
import { pageHeader } from './views/page-header.ts';
import { StorePanel } from './views/store-panel.ts';
import { SyncPanel } from './views/sync-panel.ts';
import { TaskIndex } from './views/task-index.ts';
import { TaskList } from './views/task-list.ts';
import { TaskPage } from './views/task-page.ts';

async function start(root: HTMLElement): Promise<void> {
  const channel = new BroadcastChannel('holdfast-demo');
  const announcer = new Announcer();
  const onError = (error: unknown) => {
    console.error(error);
    announcer.say(`That failed: ${error instanceof Error ? error.message : error}`);
  };
  const switches = new SwitchBoard();
  const log = new RequestLog(channel);
  const pace = new PaceSetting();
  const figures = new Figures(() => performance.now());
  const opened = await openPageStore(switches, log);
  const store = figures.measure(opened.store);
  const presence = await TabPresence.enter(channel);
  document.title = `Holdfast, tab ${presence.name}`;
  const { sync } = store;
  sync?.subscribe(({ leader }) => presence.setPushes(leader));
  presence.setPushes(sync?.status.leader ?? false);

  const runner = new AgentRunner({ store, pause: pace.pause, locks: navigator.locks, onError });
  const index = new TaskIndex(store, onError);
  const choose = (task: TaskRef | undefined) => {
    location.hash = task ? encodeURIComponent(keyOf(task)) : '';
  };
  const onText = async (message: Message, title: string) => {
    choose({ taskType: 'incoming', id: await runner.start(message, title) });
  };
  const composer = new Composer({ pace, announcer, onText });
  const list = new TaskList(index, choose);
  const bothSides = new BothSides(opened.remote);
  const page = new TaskPage({ store, runner, bothSides, announcer, onLeave: () => choose(undefined) });
  const sides = [
    el('div', { class: 'side' }, composer.element, list.element, new StorePanel(store, announcer).element),
    el('div', { class: 'main' }, page.element, new SyncPanel({ sync, switches, log, announcer, channel }).element),
  ];
  root.replaceChildren(
    pageHeader(presence),
    el('main', { class: 'columns' }, ...sides),
    figuresLine(figures, log, store, announcer),
    announcer.element,
  );

  const follow = (isMove: boolean) => {
    const task = fromKey(decodeHash());
    document.body.dataset.view = task ? 'task' : 'all';
    list.selected = task;
    page.show(task);
    if (isMove && task) page.focus();
  };
  addEventListener('hashchange', () => follow(true));
  follow(false);
  await index.load();
  await runner.standBy();
}

function decodeHash(): string {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return '';
  }
}

const root = document.getElementById('page');
if (root) {
  start(root).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    root.replaceChildren(el('p', { class: 'empty', role: 'alert' }, `The store cannot be opened: ${reason}`));
  });
}
