/** Going through tasks page by page, in a list by the time of their last change. */
import { describe, expect, it } from 'vitest';
import { compareNewest, type ListPosition } from '../src/core/query.ts';
import { RecencyList } from '../src/core/recency.ts';

const COUNT = 1000;
const time = (n: number) => new Date(1_700_000_000_000 + n).toISOString();

describe.each(['newest', 'oldest'] as const)('a list from the %s on, page by page', (order) => {
  let looks = 0;
  const list = new RecencyList<ListPosition>();
  const inOrder: ListPosition[] = [];
  for (let n = 0; n < COUNT; n++) {
    const updatedAt = time(Math.floor(n / 3));
    const entry = {
      key: `k${n}`,
      get updatedAt() {
        looks++;
        return updatedAt;
      },
    };
    list.touch(entry);
    inOrder.push(entry);
  }
  inOrder.sort((a, b) => compareNewest(a, b) * (order === 'newest' ? 1 : -1));
  const isBehind = (after: ListPosition) => (entry: ListPosition) =>
    compareNewest(entry, after) * (order === 'newest' ? 1 : -1) > 0;
  const pageBehind = (after: ListPosition) => {
    const page: ListPosition[] = [];
    for (const entry of list.entries(order, after)) {
      if (isBehind(after)(entry)) page.push(entry);
      if (page.length === 10) break;
    }
    return page;
  };

  it('does not pass over all that comes before', () => {
    for (let at = 0; at < COUNT; at += 10) {
      const after = { key: inOrder[at]?.key as string, updatedAt: inOrder[at]?.updatedAt as string };
      looks = 0;
      expect(pageBehind(after)).toEqual(inOrder.slice(at + 1, at + 11));
      expect(looks).toBeLessThan(100);
    }
  });

  it('goes on behind what is not in it, or was changed since', () => {
    for (const at of [0, 1, 500, 998]) {
      for (const key of ['', `k${at}`, 'z']) {
        const after = { key, updatedAt: inOrder[at]?.updatedAt as string };
        expect(pageBehind(after)).toEqual(inOrder.filter(isBehind(after)).slice(0, 10));
      }
    }
  });

  it('is at its end behind all that is in it', () => {
    looks = 0;
    const after = { key: 'other', updatedAt: time(order === 'newest' ? -1 : COUNT) };
    expect([...list.entries(order, after)]).toEqual([]);
    expect(looks).toBeLessThan(5);
  });
});
