/**
 * The sources as TypeScript's own parser and checker see them: who imports whom, which names no module declares, and what
 * an entry exports. No library is loaded, so a name that resolves to nothing is one that the host would have to offer.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Import {
  /** A path under `src` where the import is relative, else the package or built-in as written. */
  readonly to: string;
  readonly relative: boolean;
  /** Leaves no trace at run time: `import type`, `export type … from`, `import('…')` in a type. */
  readonly typeOnly: boolean;
}

export interface Source {
  /** Under `src`, with `/`. */
  readonly path: string;
  readonly imports: readonly Import[];
  /** Names used and declared nowhere in the sources, and every mention of `indexedDB`. */
  readonly hostNames: ReadonlySet<string>;
  /** What is executed at the top level, beside declarations. */
  readonly statements: readonly string[];
}

/** The program over these files, none of the packages they import, and no library. */
function createProgram(files: readonly string[]): ts.Program {
  const options: ts.CompilerOptions = {
    noLib: true,
    types: [],
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    allowImportingTsExtensions: true,
    noEmit: true,
  };
  const host = ts.createCompilerHost(options);
  const fileExists = host.fileExists;
  host.fileExists = (file) => !file.includes('/node_modules/') && fileExists(file);
  return ts.createProgram(files, options, host);
}

export function readSources(): Source[] {
  const paths = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts'))
    .sort();
  const program = createProgram(paths.map((path) => `${root}src/${path}`));
  const checker = program.getTypeChecker();
  return paths.map((path) => {
    const file = program.getSourceFile(`${root}src/${path}`);
    if (!file) throw new Error(`TypeScript did not read src/${path}`);
    return readSource(path, file, checker);
  });
}

function readSource(path: string, file: ts.SourceFile, checker: ts.TypeChecker): Source {
  const imports: Import[] = [];
  const hostNames = new Set<string>();
  const visit = (node: ts.Node): void => {
    const found = importOf(node);
    if (found) {
      const relative = found.specifier.startsWith('.');
      const to = relative ? posix.join(posix.dirname(path), found.specifier) : found.specifier;
      imports.push({ to, relative, typeOnly: found.typeOnly });
    }
    if (ts.isIdentifier(node) && isFree(node, checker)) hostNames.add(node.text);
    // However it is reached: `globalThis.indexedDB`, `globalThis['indexedDB']`, `'indexedDB' in globalThis`.
    if ((ts.isIdentifier(node) || ts.isStringLiteralLike(node)) && node.text === 'indexedDB') hostNames.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(file);
  const statements = file.statements.filter((statement) => !isDeclaration(statement)).map((node) => node.getText(file));
  return { path, imports, hostNames, statements };
}

/** The specifier of an import of any form; `(computed)` where only running the code would tell. */
function importOf(node: ts.Node): { specifier: string; typeOnly: boolean } | undefined {
  if (ts.isImportDeclaration(node)) {
    return {
      specifier: textOf(node.moduleSpecifier),
      typeOnly: node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword,
    };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
    return { specifier: textOf(node.moduleSpecifier), typeOnly: node.isTypeOnly };
  }
  if (ts.isImportTypeNode(node)) {
    const { argument } = node;
    return { specifier: ts.isLiteralTypeNode(argument) ? textOf(argument.literal) : '(computed)', typeOnly: true };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return { specifier: textOf(node.arguments[0]), typeOnly: false };
  }
  return undefined;
}

function textOf(node: ts.Node | undefined): string {
  return node && ts.isStringLiteralLike(node) ? node.text : '(computed)';
}

/** True of a reference, to a value or a type, that nothing in the sources declares. */
function isFree(node: ts.Identifier, checker: ts.TypeChecker): boolean {
  const { parent } = node;
  if (ts.isShorthandPropertyAssignment(parent)) {
    return !checker.getShorthandAssignmentValueSymbol(parent)?.declarations?.length;
  }
  const isMember =
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    (ts.isQualifiedName(parent) && parent.right === node) ||
    (ts.isBindingElement(parent) && parent.propertyName === node) ||
    ts.isImportSpecifier(parent) ||
    ts.isExportSpecifier(parent) ||
    ts.isMetaProperty(parent);
  return !isMember && !checker.getSymbolAtLocation(node)?.declarations?.length;
}

function isDeclaration(node: ts.Statement): boolean {
  return (
    ts.isImportDeclaration(node) ||
    ts.isExportDeclaration(node) ||
    ts.isFunctionDeclaration(node) ||
    ts.isClassDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isVariableStatement(node)
  );
}

/** The names that each of these files (`.ts` or `.d.ts`, relative to the repository) exports: values and types, sorted. */
export function exportedNames(files: readonly string[]): Map<string, string[]> {
  const program = createProgram(files.map((file) => root + file));
  const checker = program.getTypeChecker();
  return new Map(
    files.map((file) => {
      const source = program.getSourceFile(root + file);
      const symbol = source && checker.getSymbolAtLocation(source);
      const names = symbol ? checker.getExportsOfModule(symbol).map(({ name }) => name) : [];
      return [file, names.sort()];
    }),
  );
}

export interface Entry {
  /** As users write it: `holdfast/memory`. */
  readonly specifier: string;
  /** Without folder and extension: `index.browser`. */
  readonly name: string;
  readonly condition: string;
}

/** Every file that `package.json` offers under `exports` and whose source is there. */
export function readEntries(): Entry[] {
  const { exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));
  return Object.entries<Record<string, string> | string>(exports)
    .flatMap(([path, conditions]) =>
      Object.entries(typeof conditions === 'string' ? {} : conditions).map(([condition, file]) => ({
        specifier: posix.join('holdfast', path),
        name: file.replace(/^\.\/dist\/|(\.d\.ts|\.js)$/g, ''),
        condition,
      })),
    )
    .filter(({ name }) => existsSync(`${root}src/${name}.ts`));
}

/** The first cycle of imports that exist at run time, as the files along it; empty where there is none. */
export function findCycle(sources: readonly Source[]): string[] {
  const edges = new Map(sources.map(({ path, imports }) => [path, imports.filter(({ typeOnly }) => !typeOnly)]));
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): string[] => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return [];
    for (const { to } of edges.get(path) ?? []) {
      const cycle = walk(to, [...trail, path]);
      if (cycle.length > 0) return cycle;
    }
    done.add(path);
    return [];
  };
  for (const { path } of sources) {
    const cycle = walk(path, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

/** Everything that is loaded, at once or later, where these files are; packages too. */
export function reachable(sources: readonly Source[], from: readonly string[]): Set<string> {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const found = new Set(from);
  for (const path of found) {
    for (const { to, typeOnly } of byPath.get(path)?.imports ?? []) if (!typeOnly) found.add(to);
  }
  return found;
}
