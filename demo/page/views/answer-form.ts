/** The answer to the agent's question. */
import type { Announcer } from '../ui/announcer.ts';
import { el } from '../ui/dom.ts';

export class AnswerForm {
  readonly element: HTMLFormElement;

  constructor(send: (text: string) => Promise<void>, announcer: Announcer) {
    const input = el('input', { id: 'answer', autocomplete: 'off', required: true });
    // One answer to one question: the form is hidden as soon as it is stored.
    let isSending = false;
    const answer = (text: string) => {
      if (isSending) return;
      isSending = true;
      announcer.guard(() =>
        send(text).finally(() => {
          isSending = false;
        }),
      )();
    };
    const onsubmit = (event: Event) => {
      event.preventDefault();
      if (input.value.trim() === '') return;
      answer(input.value.trim());
      input.value = '';
    };
    const quick = ['short', 'medium', 'long'].map((text) =>
      el('button', { type: 'button', onclick: () => answer(text) }, text),
    );
    this.element = el(
      'form',
      { class: 'answer', onsubmit },
      el('label', { for: 'answer' }, 'Your answer'),
      el('div', { class: 'buttons' }, input, el('button', { class: 'primary' }, 'Answer'), ...quick),
    );
  }
}
