import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import ts from 'typescript'

/** One source file: its path from the project's root, with `/`, and its text. */
export interface SourceFile {
  readonly path: string
  readonly text: string
}

/** Files of `src` may have this many lines; past it a second noun is inside. */
export const MOST_LINES = 400

/** What may stand at the top of the repository besides dot files, lock files and what is never committed. */
const TOP_LEVEL = new Set([
  'package.json',
  'tsconfig.json',
  'src',
  'config',
  'sipp-scenarios',
  'test',
  'docker',
  'README.md',
])
const NEVER_COMMITTED = new Set(['node_modules', 'dist'])

/** The parts of `src` from the outermost to the innermost. A part imports what stands on a lower line, never what stands higher. */
const LAYERS = [
  ['main'],
  ['cli'],
  ['app'],
  ['api', 'console'],
  ['edge'],
  ['routing', 'media'],
  ['trunks'],
  ['store'],
  ['model'],
] as const

/** Made by app.ts and handed down: below `app` they are imported as types only. */
const HANDED_DOWN = new Set(['config', 'telemetry'])
const MAKES_THEM = new Set(['main', 'cli', 'app'])
const ENGINE_DOOR = 'src/engine/index.js'

/** npm packages with one home. */
const HOMES: Readonly<Record<string, string>> = { 'drachtio-fsmrf': 'media' }

interface Import {
  readonly target: string
  /** Nothing of it is left when the code runs. */
  readonly typeOnly: boolean
}

const parse = (file: SourceFile): ts.SourceFile =>
  ts.createSourceFile(file.path, file.text, ts.ScriptTarget.ES2022, true, ts.ScriptKind.TS)

function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node)
  ts.forEachChild(node, (child) => walk(child, visit))
}

/** Every module a file names: imports, re-exports, dynamic imports, `import('x').Type`. */
export function importsOf(file: SourceFile): Import[] {
  const found: Import[] = []
  const add = (name: ts.Node | undefined, typeOnly: boolean): void => {
    if (name !== undefined && ts.isStringLiteralLike(name)) found.push({ target: name.text, typeOnly })
  }
  walk(parse(file), (node) => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnlyImport(node.importClause))
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false)
  })
  return found
}

function isTypeOnlyImport(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false
  if (clause.isTypeOnly) return true
  const bindings = clause.namedBindings
  return (
    clause.name === undefined &&
    bindings !== undefined &&
    ts.isNamedImports(bindings) &&
    bindings.elements.length > 0 &&
    bindings.elements.every((element) => element.isTypeOnly)
  )
}

/** The part of `src` a path belongs to: its first folder, or its own name right under `src`. */
function partOf(path: string): string {
  return path.split('/')[1]?.replace(/\.[a-z]+$/, '') ?? ''
}

const layerOf = (part: string): number => LAYERS.findIndex((layer) => (layer as readonly string[]).includes(part))

/** The imports of a file of `src` that break the map. */
export function importProblems(file: SourceFile): string[] {
  const part = partOf(file.path)
  const known = part === 'engine' || part === 'bootstrap' || HANDED_DOWN.has(part) || layerOf(part) >= 0
  if (!known) return [`${file.path}: src/${part} is not on the import map`]
  return importsOf(file).flatMap((imported) => {
    const problem = imported.target.startsWith('.')
      ? innerProblem(file.path, part, imported)
      : outerProblem(part, imported.target)
    return problem === undefined ? [] : [`${file.path} imports ${imported.target}: ${problem}`]
  })
}

function outerProblem(part: string, target: string): string | undefined {
  if (target.startsWith('node:')) return undefined
  if (isBuiltin(target)) return 'built-ins are named with node:'
  if (part === 'engine' || part === 'bootstrap') return `${part} uses built-ins of Node only`
  const home = HOMES[target]
  return home === undefined || home === part ? undefined : `only src/${home} uses it`
}

function innerProblem(path: string, part: string, imported: Import): string | undefined {
  const target = posix.join(posix.dirname(path), imported.target)
  if (!target.startsWith('src/')) return 'it is outside src'
  const other = partOf(target)
  if (other === part) return undefined
  if (part === 'engine' || part === 'bootstrap') return `${part} knows nothing of the rest`
  if (other === 'engine')
    return target === ENGINE_DOOR ? undefined : 'the engine is reached through engine/index.js only'
  if (HANDED_DOWN.has(other)) {
    if (part === 'model') return 'the model knows nothing of it'
    return MAKES_THEM.has(part) || imported.typeOnly
      ? undefined
      : `${other} is handed down by app.ts: import its types only`
  }
  if (layerOf(other) < 0) return `src/${other} is not on the import map`
  if (HANDED_DOWN.has(part)) return other === 'model' ? undefined : `${part} imports model and engine only`
  return layerOf(other) > layerOf(part) ? undefined : `${part} stands below or beside ${other}`
}

/** Where a file of `src` reads the environment: only config may, and bootstrap, which runs before there is one. */
export function environmentProblems(file: SourceFile): string[] {
  if (['config', 'bootstrap'].includes(partOf(file.path))) return []
  let reads = false
  const isProcess = (node: ts.Node): boolean => ts.isIdentifier(node) && node.text === 'process'
  walk(parse(file), (node) => {
    if (ts.isPropertyAccessExpression(node)) reads ||= isProcess(node.expression) && node.name.text === 'env'
    else if (ts.isElementAccessExpression(node))
      reads ||=
        isProcess(node.expression) &&
        ts.isStringLiteralLike(node.argumentExpression) &&
        node.argumentExpression.text === 'env'
    else if (ts.isVariableDeclaration(node) && node.initializer !== undefined && isProcess(node.initializer))
      reads ||= ts.isObjectBindingPattern(node.name) && /\benv\b/.test(node.name.getText())
    else if (ts.isImportDeclaration(node) && ts.isStringLiteralLike(node.moduleSpecifier))
      reads ||= node.moduleSpecifier.text === 'node:process' && /\benv\b/.test(node.importClause?.getText() ?? '')
  })
  return reads ? [`${file.path}: only src/config reads the environment`] : []
}

/** What in a test file would let tests pass without running: no `.run()`, `.only`, or a suite where the runner does not look. */
export function suiteProblems(file: SourceFile): string[] {
  const makers = new Map<string, string>()
  const suites = new Map<string, boolean>()
  const problems: string[] = []
  const run = new Set<string>()
  walk(parse(file), (node) => {
    if (
      ts.isImportDeclaration(node) &&
      ts.isStringLiteralLike(node.moduleSpecifier) &&
      node.moduleSpecifier.text === 'uvu'
    ) {
      const bindings = node.importClause?.namedBindings
      if (bindings !== undefined && ts.isNamedImports(bindings))
        for (const element of bindings.elements)
          makers.set(element.name.text, (element.propertyName ?? element.name).text)
    } else if (ts.isCallExpression(node)) {
      if (ts.isIdentifier(node.expression) && makers.get(node.expression.text) === 'suite') {
        const holder = node.parent
        if (!ts.isVariableDeclaration(holder) || !ts.isIdentifier(holder.name))
          problems.push('a suite has no name of its own')
        else suites.set(holder.name.text, holder.parent.parent.parent.kind === ts.SyntaxKind.SourceFile)
      } else if (ts.isPropertyAccessExpression(node.expression) && ts.isIdentifier(node.expression.expression)) {
        const { text: owner } = node.expression.expression
        if (node.expression.name.text === 'run') run.add(owner)
        if (node.expression.name.text === 'only' && (suites.has(owner) || makers.get(owner) === 'test'))
          problems.push(`${owner}.only leaves the other tests out`)
      }
    }
  })
  for (const [name, made] of makers) if (made === 'test') suites.set(name, true)
  const isTestFile = file.path.endsWith('.test.ts')
  for (const [name, atTop] of suites) {
    if (!run.has(name)) problems.push(`${name} is never run: ${name}.run() is missing`)
    if (atTop && !isTestFile)
      problems.push(`${name} is in a file that is not named *.test.ts: the runner does not see it`)
  }
  if (isTestFile && makers.size === 0) problems.push('has no uvu suite')
  return problems.map((problem) => `${file.path}: ${problem}`)
}

/** Whether a file of `src` has grown past the size at which a second noun is inside. */
export function sizeProblems(file: SourceFile): string[] {
  const lines = file.text.split('\n').length - (file.text.endsWith('\n') ? 1 : 0)
  return lines > MOST_LINES ? [`${file.path} has ${lines} lines, more than ${MOST_LINES}`] : []
}

/** Names at the top of the repository that have no business there. */
export function topLevelProblems(names: readonly string[]): string[] {
  return names
    .filter(
      (name) =>
        !TOP_LEVEL.has(name) && !NEVER_COMMITTED.has(name) && !name.startsWith('.') && name !== 'package-lock.json',
    )
    .map((name) => `${name}: not an entry of the repository's top level`)
}
