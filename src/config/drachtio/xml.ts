import { readFileSync, statSync } from 'node:fs'
import { SaxesParser } from 'saxes'
import type { Problem } from '../config-error.js'

/** One element of a file. */
export interface XmlElement {
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
  /** The text directly in it, without the white space around it. */
  text: string
  readonly children: XmlElement[]
  readonly line: number
}

/** Bytes a file may have. */
const LARGEST_FILE = 262_144
const MOST_FAULTS = 5

/** The root element of a file, or why there is none. Nothing of a DTD is read and no entity of it replaced: a DOCTYPE is refused. */
export function readXmlFile(file: string): { root: XmlElement } | { problems: Problem[] } {
  const refuse = (message: string) => ({ problems: [{ path: file, message }] })
  try {
    const { size } = statSync(file)
    if (size > LARGEST_FILE) return refuse(`is ${size} bytes long, more than ${LARGEST_FILE}`)
    return parseXml(readFileSync(file, 'utf8'), file)
  } catch (error) {
    return refuse(`cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`)
  }
}

/** The same of a text. `file` is how problems call it. */
export function parseXml(text: string, file: string): { root: XmlElement } | { problems: Problem[] } {
  const problems: Problem[] = []
  const open: XmlElement[] = []
  let root: XmlElement | undefined
  const parser = new SaxesParser({ position: true })
  const fault = (what: string): void => {
    if (problems.length < MOST_FAULTS) problems.push({ path: file, message: `line ${parser.line}: ${what}` })
  }
  // What the parser says after its first words may quote the file, and that may hold secrets.
  parser.on('error', ({ message }) =>
    fault(`not well-formed (${message.split(': ')[1]?.replace(/\.$/, '') ?? 'error'})`),
  )
  parser.on('doctype', () => fault('a DOCTYPE is not allowed'))
  parser.on('opentag', ({ name, attributes }) => {
    const element: XmlElement = {
      name,
      attributes: new Map(Object.entries(attributes)),
      text: '',
      children: [],
      line: parser.line,
    }
    open.at(-1)?.children.push(element)
    root ??= element
    open.push(element)
  })
  parser.on('closetag', () => {
    const element = open.pop()
    if (element !== undefined) element.text = element.text.trim()
  })
  const append = (more: string): void => {
    const element = open.at(-1)
    if (element !== undefined) element.text += more
  }
  parser.on('text', append)
  parser.on('cdata', append)
  parser.write(text).close()
  if (problems.length > 0) return { problems }
  return root === undefined ? { problems: [{ path: file, message: 'is empty' }] } : { root }
}
