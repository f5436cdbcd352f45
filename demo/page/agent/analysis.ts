/** What the agent finds out about a text. Pure: the same text gives the same answer, so that work can go on anywhere. */
import { stopWords } from './stop-words.ts';

export interface Analysis {
  readonly sentences: readonly string[];
  readonly wordCount: number;
  /** Different words, upper and lower case taken together. */
  readonly distinctWords: number;
  /** The most telling terms, the best first. */
  readonly terms: readonly Term[];
}

export interface Term {
  readonly term: string;
  readonly count: number;
  /** In how many sentences it stands. */
  readonly sentences: number;
  /** Relative to the best term, which has 1. */
  readonly weight: number;
}

/** Endings that look like the end of a sentence and are not. */
const abbreviation = /(?:^|[\s(])(?:\p{Lu}|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|z\.B|bzw|ca|Nr|No)\.$/u;
const word = /\p{L}[\p{L}\p{M}\p{N}]*(?:['’-][\p{L}\p{M}\p{N}]+)*/gu;

export function analyse(text: string, termLimit = 8): Analysis {
  const sentences = toSentences(text);
  const words = toWords(text);
  return {
    sentences,
    wordCount: words.length,
    distinctWords: new Set(words).size,
    terms: tellingTerms(sentences, termLimit),
  };
}

/** In lower case, in order. */
export function toWords(text: string): string[] {
  return [...text.matchAll(word)].map(([found]) => found.toLowerCase().replaceAll('’', "'"));
}

/** A line that ends a paragraph ends a sentence too; what holds no letter is none. */
export function toSentences(text: string): string[] {
  const segmenter = new Intl.Segmenter(undefined, { granularity: 'sentence' });
  const sentences: string[] = [];
  for (const paragraph of text.split(/\n\s*\n/)) {
    let open = '';
    for (const { segment } of segmenter.segment(paragraph.replace(/\s+/g, ' ').trim())) {
      open += segment;
      if (abbreviation.test(open.trimEnd())) continue;
      sentences.push(open.trim());
      open = '';
    }
    sentences.push(open.trim());
  }
  return sentences.filter((sentence) => /\p{L}/u.test(sentence));
}

/** Frequent in the text, but not in every sentence of it: the tf-idf of a text whose documents are its sentences. */
export function tellingTerms(sentences: readonly string[], limit: number): Term[] {
  const counts = new Map<string, { count: number; sentences: number }>();
  for (const sentence of sentences) {
    const terms = toTerms(sentence);
    for (const term of terms) {
      const entry = counts.get(term) ?? { count: 0, sentences: 0 };
      counts.set(term, { ...entry, count: entry.count + 1 });
    }
    for (const term of new Set(terms)) {
      const entry = counts.get(term);
      if (entry) entry.sentences++;
    }
  }
  const scored = [...counts].map(([term, entry]) => ({
    term,
    ...entry,
    score: entry.count * Math.log(1 + sentences.length / entry.sentences),
  }));
  // Of equals the alphabet decides, so that the order is the same everywhere.
  scored.sort((a, b) => b.score - a.score || (a.term < b.term ? -1 : 1));
  const best = scored[0]?.score ?? 1;
  return scored
    .slice(0, limit)
    .map(({ score, ...term }) => ({ ...term, weight: Math.round((score / best) * 100) / 100 }));
}

/**
 * The sentences that say most, in the order of the text. Each one chosen halves the worth of its terms, so that the next says
 * something else.
 */
export function summarise(sentences: readonly string[], length: number): string[] {
  const worth = new Map(tellingTerms(sentences, 60).map(({ term, weight }) => [term, weight]));
  const left = sentences.map((sentence, place) => ({ place, terms: [...new Set(toTerms(sentence))] }));
  const chosen: number[] = [];
  while (chosen.length < length && left.length > 0) {
    const scores = left.map(({ terms, place }) => {
      const sum = terms.reduce((total, term) => total + (worth.get(term) ?? 0), 0);
      // Long sentences must not win by length alone; how a text begins is worth a little more.
      return (sum / Math.sqrt(terms.length + 3)) * (place === 0 ? 1.25 : 1);
    });
    const [best] = left.splice(scores.indexOf(Math.max(...scores)), 1);
    if (!best) break;
    chosen.push(best.place);
    for (const term of best.terms) worth.set(term, (worth.get(term) ?? 0) / 2);
  }
  return chosen.sort((a, b) => a - b).map((place) => sentences[place] ?? '');
}

function toTerms(sentence: string): string[] {
  return toWords(sentence)
    .map((found) => found.replace(/'s$/, ''))
    .filter((found) => found.length > 2 && !stopWords.has(found))
    .map(singular);
}

/** English plurals count with their singular. */
function singular(term: string): string {
  if (term.length > 4 && term.endsWith('ies')) return `${term.slice(0, -3)}y`;
  if (term.length > 4 && /[^s]s$/.test(term) && !/(?:us|is)$/.test(term)) return term.slice(0, -1);
  return term;
}
