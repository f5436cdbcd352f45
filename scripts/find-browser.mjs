/**
 * A Chromium to test in, on any machine: the one that `CHROMIUM_PATH` names, one that is installed, playwright's own, or
 * else the one that comes as an npm package, unpacked once into `node_modules/.cache`.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const installed = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:/Program Files/Google/Chrome/Application/chrome.exe',
];

/**
 * The address bar of a whole browser is a page of its own in every window, more work than what is tested. The last such flag
 * counts: behind our own come those that Playwright names in its.
 */
const disabled = [
  'WebUIOmniboxPopup',
  'WebUIOmniboxAimPopup',
  'WebUIOmniboxFullPopup',
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'DialMediaRouteProvider',
  'GlobalMediaControls',
  'HttpsUpgrades',
  'LensOverlay',
  'MediaRouter',
  'PaintHolding',
  'ThirdPartyStoragePartitioning',
  'BlockOriginHeaderModificationOnRedirect',
  'AvoidCorsURLLoaderRestartOnRedirect',
  'Translate',
  'OptimizationHints',
  'NetworkTimeServiceQuerying',
  'AimEnabled',
];

const quiet = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  `--disable-features=${disabled.join()}`,
];

/** What playwright's `chromium.launch` takes to start it. */
export async function launchOptions() {
  const { executablePath, env } = await findChromium();
  return { executablePath, args: quiet, ...(env && { env: { ...process.env, ...env } }) };
}

/** Throws where there is none: a test that needs a browser must fail without one, not skip. */
export async function findChromium() {
  const named = process.env.CHROMIUM_PATH;
  if (named) return { executablePath: named };
  if (process.env.HOLDFAST_BUNDLED_CHROMIUM === undefined) {
    const own = (await import('playwright')).chromium.executablePath();
    const found = [...installed, own].find((path) => existsSync(path));
    if (found) return { executablePath: found };
  }
  if (process.platform === 'linux' && process.arch === 'x64') return unpackBundled();
  throw new Error('No Chromium found: install one, or name it in CHROMIUM_PATH.');
}

/** Unpacks beside the final place and renames, so that two test runs at once never see half a browser. */
async function unpackBundled() {
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules/@sparticuz/chromium/package.json'), 'utf8'));
  const cache = join(root, 'node_modules/.cache');
  const home = join(cache, `chromium-${version}`);
  if (!existsSync(home)) {
    const scratch = join(cache, `chromium-${process.pid}`);
    mkdirSync(scratch, { recursive: true });
    await unpackInto(scratch);
    try {
      renameSync(scratch, home);
    } catch (error) {
      rmSync(scratch, { recursive: true });
      if (!existsSync(home)) throw error;
    }
  }
  // Its libraries and fonts lie beside it; they are not the system's.
  writeFileSync(join(home, 'fonts.conf'), fontsIn(home));
  const env = { LD_LIBRARY_PATH: join(home, 'al2023/lib'), FONTCONFIG_PATH: home };
  return { executablePath: join(home, 'chromium'), env };
}

/** The package's own names folders that are not here; without any font, the first input on a page ends the browser. */
function fontsIn(home) {
  const folders = [join(home, 'fonts'), '/usr/share/fonts'].map((folder) => `  <dir>${folder}</dir>`);
  const cache = `  <cachedir>${join(home, 'fonts-cache')}</cachedir>`;
  const lines = [
    '<?xml version="1.0"?>',
    '<!DOCTYPE fontconfig SYSTEM "fonts.dtd">',
    '<fontconfig>',
    ...folders,
    cache,
  ];
  return `${[...lines, '</fontconfig>'].join('\n')}\n`;
}

/** The package unpacks into the temporary folder of the moment it is loaded and called. */
async function unpackInto(folder) {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = folder;
  try {
    const { default: chromium, inflate } = await import('@sparticuz/chromium');
    chromium.setGraphicsMode = false;
    await chromium.executablePath();
    await inflate(fileURLToPath(new URL('../bin/al2023.tar.br', import.meta.resolve('@sparticuz/chromium'))));
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
}
