/**
 * Measuring side by side: every contestant of a row runs once a round, in an order that turns with each round, so that
 * noise on a shared machine falls on all alike. What counts are ratios of medians within one run.
 */
import { cpus } from 'node:os';

/**
 * @typedef {object} Goal what a row is to reach: a ratio between two of its contestants
 * @property {string} of
 * @property {string} [against] absent: the figure itself is compared
 * @property {number} [atLeast]
 * @property {number} [atMost]
 */

/**
 * @typedef {object} Row
 * @property {string} id
 * @property {string} title
 * @property {string} unit such as `ops/s`, `ms`, `MB`
 * @property {Record<string, () => Promise<number>>} contestants each sets itself up, measures, cleans up, answers its figure
 * @property {Goal[]} [goals]
 * @property {Record<string, string>} [notes] by contestant, such as that it is not durable
 * @property {number} [rounds] at most so many
 * @property {boolean} [scale] contestants are named after the sizes that they measure: the slope is reported
 */

/** Runs a row. @returns {Promise<object>} medians, spreads and goals, ready for the report */
export async function measure(row, { rounds, log }) {
  const names = Object.keys(row.contestants);
  const figures = Object.fromEntries(names.map((name) => [name, []]));
  const errors = {};
  const count = Math.min(rounds, row.rounds ?? rounds);
  for (let round = 0; round < count; round++) {
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length];
      if (errors[name]) continue;
      try {
        figures[name].push(await row.contestants[name]());
      } catch (error) {
        errors[name] = String(error?.message ?? error).slice(0, 200);
      }
      globalThis.gc?.();
    }
  }
  const results = names.map((name) => ({
    name,
    ...(figures[name].length > 0 && summarise(figures[name])),
    ...(row.notes?.[name] && { note: row.notes[name] }),
    ...(errors[name] && { error: errors[name] }),
  }));
  const goals = (row.goals ?? []).map((goal) => judge(goal, results));
  const slope = row.scale && slopeOf(results);
  log(`${row.title} (${row.unit})`);
  for (const { name, median, spread, note, error } of results) {
    const figure = error ? `failed: ${error}` : `${format(median)} ±${Math.round(spread * 100)} %`;
    log(`  ${name.padEnd(36)} ${figure}${note ? `  (${note})` : ''}`);
  }
  for (const { text, reached, ratio } of goals) log(`  ${reached ? 'reached' : 'MISSED '}  ${text}: ${format(ratio)}`);
  if (slope !== undefined) log(`  slope    ${slope.toFixed(3)}`);
  return {
    id: row.id,
    title: row.title,
    unit: row.unit,
    rounds: count,
    results,
    goals,
    ...(slope !== undefined && { slope }),
  };
}

/** How the cost grows with the size that each contestant is named after: 0 not at all, 1 with it, by least squares of logarithms. */
function slopeOf(results) {
  const points = results.map(({ name, median }) => [Math.log(Number(name)), Math.log(median)]);
  const mean = (axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const covariance = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  return covariance / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}

function summarise(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  const median = at(0.5);
  return { median, min: sorted[0], max: sorted.at(-1), spread: median ? (sorted.at(-1) - sorted[0]) / 2 / median : 0 };
}

function judge({ of, against, atLeast, atMost }, results) {
  const figure = (name) => results.find((result) => result.name === name)?.median ?? Number.NaN;
  const ratio = against === undefined ? figure(of) : figure(of) / figure(against);
  const limit = atLeast === undefined ? `at most ${format(atMost)}` : `at least ${format(atLeast)}`;
  return {
    text: against === undefined ? `${of}, ${limit}` : `${of} against ${against}, ${limit} ×`,
    ratio,
    reached: atLeast === undefined ? ratio <= atMost : ratio >= atLeast,
  };
}

export function format(value) {
  if (value === undefined || Number.isNaN(value)) return '–';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toPrecision(3);
}

/** Operations a second of `count` calls of `call`, one after the other. */
export async function rate(count, call) {
  const start = performance.now();
  for (let i = 0; i < count; i++) await call(i);
  return (count / (performance.now() - start)) * 1000;
}

/** Operations a second of `count` calls by so many callers at once, and the 99th percentile of their times in ms. */
export async function rateOf(callers, count, call) {
  const times = new Float64Array(count);
  let next = 0;
  const caller = async () => {
    for (let i = next++; i < count; i = next++) {
      const start = performance.now();
      await call(i);
      times[i] = performance.now() - start;
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  const seconds = (performance.now() - start) / 1000;
  return { rate: count / seconds, p99: times.sort()[Math.floor(count * 0.99)] };
}

export function machine() {
  const [cpu] = cpus();
  return { cpu: cpu?.model ?? 'unknown', cores: cpus().length, node: process.version, platform: process.platform };
}
