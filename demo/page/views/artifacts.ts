/** What the agent made; new parts are added to those that are shown. */
import type { Artifact } from 'holdfast';
import { el, setText } from '../ui/dom.ts';
import { count } from '../ui/format.ts';
import { showPart } from './parts.ts';

interface Shown {
  readonly element: HTMLElement;
  readonly facts: HTMLElement;
  readonly body: HTMLElement;
  partCount: number;
}

export class Artifacts {
  readonly element = el('div', { class: 'artifacts' });
  readonly #empty = el('p', { class: 'empty' }, 'Nothing made yet.');
  readonly #shown = new Map<number, Shown>();

  show(artifacts: readonly Artifact[]): void {
    this.#empty.remove();
    for (const artifact of artifacts) this.#update(artifact);
    for (const [index, { element }] of this.#shown) {
      if (artifacts.some((artifact) => (artifact.index ?? 0) === index)) continue;
      element.remove();
      this.#shown.delete(index);
    }
    if (artifacts.length === 0) this.element.append(this.#empty);
  }

  clear(): void {
    this.#shown.clear();
    this.element.replaceChildren();
  }

  #update(artifact: Artifact): void {
    const { index = 0, parts, lastChunk } = artifact;
    let shown = this.#shown.get(index);
    if (!shown || parts.length < shown.partCount) shown = this.#add(artifact, shown);
    shown.body.append(...parts.slice(shown.partCount).map(showPart));
    shown.partCount = parts.length;
    setText(shown.facts, `${count(parts.length, 'part')}, ${lastChunk ? 'complete' : 'growing'}`);
  }

  #add({ index = 0, name, description }: Artifact, before: Shown | undefined): Shown {
    const facts = el('span', { class: 'quiet' });
    const body = el('div', { class: 'artifact-body' });
    const title = el('h4', {}, name ?? `Artifact ${index}`);
    const element = el('article', { class: 'artifact' }, el('header', {}, title, facts));
    if (description) element.append(el('p', { class: 'quiet' }, description));
    element.append(body);
    if (before) before.element.replaceWith(element);
    else this.element.append(element);
    const shown = { element, facts, body, partCount: 0 };
    this.#shown.set(index, shown);
    return shown;
  }
}
