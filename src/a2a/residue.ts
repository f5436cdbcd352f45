/**
 * What makes the codec lossless: every SDK object is written in the store's own words, read back, and compared. Where
 * the two differ, the difference rides along under the key `a2a`.
 */
import { isObject } from '../core/json.ts';
import { type Fields, fromPlain, isSame, toPlain } from './plain.ts';

/** The protocol whose objects an app uses; what A2A 0.3 and 1.0 call one thing may look different. */
export type Version = '0.3' | '1.0';

interface Residue {
  readonly version: Version;
  /** Fields that reading the store's words would get wrong; plain. */
  readonly set?: Readonly<Fields>;
  /** Fields that it would add. */
  readonly drop?: readonly string[];
}

/** What to remember so that `decoded` can be turned into `original` again; undefined where they are the same. */
export function differenceOf(original: Fields, decoded: Fields, version: Version): Residue | undefined {
  const wrong = Object.keys(original).filter(
    (key) => !Object.hasOwn(decoded, key) || !isSame(decoded[key], original[key]),
  );
  const drop = Object.keys(decoded).filter((key) => !Object.hasOwn(original, key));
  if (wrong.length === 0 && drop.length === 0) return undefined;
  const set = Object.fromEntries(wrong.map((key) => [key, toPlain(original[key])]));
  return { version, ...(wrong.length > 0 && { set }), ...(drop.length > 0 && { drop }) };
}

/** The residue that an object of the store carries for this version. */
export function residueOf(stored: Readonly<Fields>, version: Version): Residue | undefined {
  const { a2a } = stored;
  return isObject(a2a) && a2a.version === version ? (a2a as unknown as Residue) : undefined;
}

/** `decoded`, made into the object that was saved, and frozen. */
export function applyResidue(decoded: Fields, residue: Residue | undefined): Fields {
  for (const key of residue?.drop ?? []) delete decoded[key];
  if (residue?.set) {
    Object.defineProperties(decoded, Object.getOwnPropertyDescriptors(fromPlain(residue.set)));
  }
  return Object.freeze(decoded);
}
