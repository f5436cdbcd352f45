/** The page made from the figures: tables, and a bar chart for each row. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { format } from './measure.mjs';

export function writeReport(results, folder) {
  mkdirSync(`${folder}/charts`, { recursive: true });
  const { machine, groups } = results;
  const lines = [
    '# Benchmarks',
    '',
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, ${machine.platform}.`,
    'Medians; ± is half the spread between the rounds. Within a row all contestants run interleaved, so ratios count, not the',
    'figures of a shared machine. Repeat with `npm run bench`.',
    ...summary(Object.values(groups).flatMap(({ rows }) => rows)),
  ];
  for (const [group, { rows, versions, measuredAt, quick }] of Object.entries(groups)) {
    const extent = quick ? 'a quick run: less work, fewer rounds' : 'a full run';
    lines.push('', `## ${group}`, '', `Measured ${measuredAt.slice(0, 10)}, ${extent}.`);
    if (versions)
      lines.push(
        '',
        `Peers: ${Object.entries(versions)
          .map(([name, version]) => `${name} ${version}`)
          .join(', ')}.`,
      );
    for (const row of rows) {
      writeFileSync(`${folder}/charts/${row.id}.svg`, chart(row));
      lines.push('', `### ${row.title}`, '', `![${row.title}](charts/${row.id}.svg)`, '', ...table(row));
      if (row.slope !== undefined) {
        lines.push('', `Slope ${row.slope.toFixed(3)}: ten times the size, ${format(10 ** row.slope)} × the cost.`);
      }
      if (row.goals.length > 0) {
        lines.push('', '| goal | measured | |', '|---|---:|---|');
        for (const { text, ratio, reached } of row.goals) {
          lines.push(`| ${text} | ${format(ratio)} | ${reached ? 'reached' : '**missed**'} |`);
        }
      }
    }
  }
  writeFileSync(`${folder}/README.md`, `${lines.join('\n')}\n`);
}

/** What was aimed at, and where it was missed. */
function summary(rows) {
  const goals = rows.flatMap((row) => row.goals.map((goal) => ({ ...goal, title: row.title })));
  const missed = goals.filter(({ reached }) => !reached);
  const lines = ['', `${goals.length - missed.length} of ${goals.length} goals are reached.`];
  if (missed.length === 0) return lines;
  lines.push('', '| missed | goal | measured |', '|---|---|---:|');
  for (const { title, text, ratio } of missed) lines.push(`| ${title} | ${text} | ${format(ratio)} |`);
  lines.push('', '[What stands in the way](../missed.md), and what was tried.');
  return lines;
}

function table({ unit, results }) {
  return [
    `| | ${unit} | ± | |`,
    '|---|---:|---:|---|',
    ...results.map(({ name, median, spread, note = '', error }) =>
      error
        ? `| ${name} | – | | failed: ${error} |`
        : `| ${name} | ${format(median)} | ${Math.round(spread * 100)} % | ${note} |`,
    ),
  ];
}

const escapeXml = (text) => text.replace(/[&<>]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign]);

/** Bars; on a logarithmic scale where the figures differ a hundredfold, and said so. */
function chart({ title, unit, results }) {
  const shown = results.filter(({ median }) => median >= 0);
  const values = shown.map(({ median }) => median);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const logarithmic = low > 0 && high / low > 100;
  const share = (value) => (logarithmic ? Math.log10((value / low) * 2) / Math.log10((high / low) * 2) : value / high);
  const height = 44 + shown.length * 26;
  const bars = shown.map(({ name, median }, i) => {
    const y = 40 + i * 26;
    const width = Math.max(2, share(median) * 360);
    const fill = name.startsWith('Holdfast') ? '#2563eb' : '#94a3b8';
    return [
      `<text x="210" y="${y + 14}" text-anchor="end">${escapeXml(name)}</text>`,
      `<rect x="218" y="${y}" width="${width.toFixed(1)}" height="18" rx="3" fill="${fill}"/>`,
      `<text x="${(226 + width).toFixed(1)}" y="${y + 14}">${format(median)}</text>`,
    ].join('');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="680" height="${height}" viewBox="0 0 680 ${height}" font-family="system-ui, sans-serif" font-size="13" fill="#334155">`,
    `<rect width="680" height="${height}" fill="#ffffff"/>`,
    `<text x="12" y="24" font-weight="600">${escapeXml(title)}, ${unit}${logarithmic ? ' (logarithmic)' : ''}</text>`,
    ...bars,
    '</svg>\n',
  ].join('\n');
}
