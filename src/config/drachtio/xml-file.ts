import { Layer, type DrachtioContact, type RequestHandler } from './layer.js'
import { noEffects, settings, type SettingName } from './settings.js'
import { externalIp, handlerUrl, localNet, names, oneOf, port, scrapeAddress, text, yesOrNo } from './values.js'
import { readXmlFile, type XmlElement } from './xml.js'

const bySetting = new Map(
  Object.entries(settings).flatMap(([name, { xml }]) =>
    xml === undefined ? [] : [[xml, name as SettingName] as const],
  ),
)
const withoutEffect = new Map(noEffects.flatMap(({ xml, why }) => (xml ?? []).map((path) => [path, why] as const)))

const action = oneOf('reject', 'discard')
const httpMethod = oneOf('get', 'post')

/** What a `drachtio.conf.xml` says. Every problem has the path of its element and the line it stands on. */
export function readXmlSettings(file: string): Layer {
  const layer = new Layer()
  const read = readXmlFile(file)
  if ('problems' in read) layer.problems.push(...read.problems)
  else if (read.root.name !== 'drachtio')
    layer.problems.push({ path: file, message: 'the outermost element must be <drachtio>' })
  else new XmlSettings(file, layer).read(read.root)
  return layer
}

/** Elements with a form of their own. */
type Special = (element: XmlElement, path: string) => void

class XmlSettings {
  private readonly seen = new Set<string>()
  private readonly contacts: DrachtioContact[] = []
  private namesContacts = false
  private readonly handlers: RequestHandler[] = []
  private readonly specials: Readonly<Record<string, Special>> = {
    'sip/contact': (element, path) => this.contact(element, path),
    'sip/contacts/contact': (element, path) => this.contact(element, path),
    'sip/spammers': (element, path) => this.spammers(element, path),
    'request-handlers/request-handler': (element, path) => this.requestHandler(element, path),
    'monitoring/prometheus': (element, path) => this.prometheus(element, path),
  }
  /** Elements that only hold others. */
  private readonly sections: ReadonlySet<string>

  constructor(
    private readonly file: string,
    private readonly layer: Layer,
  ) {
    const paths = [...bySetting.keys(), ...withoutEffect.keys(), ...Object.keys(this.specials)]
    this.sections = new Set(
      paths.flatMap((path) => {
        const parts = path.replace('@', '/').split('/')
        return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'))
      }),
    )
  }

  read(root: XmlElement): void {
    for (const child of root.children) this.element(child, child.name)
    if (this.namesContacts) this.layer.settings.contacts = this.contacts
    if (this.handlers.length > 0) this.layer.settings.requestHandlers = this.handlers
  }

  private element(element: XmlElement, path: string): void {
    const why = withoutEffect.get(path)
    if (why !== undefined) return this.ignore(path, element, why)
    const special = Object.hasOwn(this.specials, path) ? this.specials[path] : undefined
    if (special !== undefined) return special(element, path)
    const setting = bySetting.get(path)
    if (setting === undefined && !this.sections.has(path)) return this.ignore(path, element, 'it is not known')
    if (setting !== undefined && element.text !== '') this.set(setting, element.text, path, element)
    for (const [name, value] of element.attributes) this.attribute(`${path}@${name}`, value, element)
    for (const child of element.children) this.element(child, `${path}/${child.name}`)
  }

  private attribute(path: string, value: string, element: XmlElement): void {
    const setting = bySetting.get(path)
    if (setting === undefined) this.ignore(path, element, withoutEffect.get(path) ?? 'it is not known')
    else if (value.trim() !== '') this.set(setting, value.trim(), path, element)
  }

  private set(setting: SettingName, value: string, path: string, element: XmlElement): void {
    if (this.seen.has(path)) return this.ignore(path, element, 'it is given twice and the first counts')
    this.seen.add(path)
    this.layer.set(setting, value, path, this.placeOf(element))
  }

  private contact(element: XmlElement, path: string): void {
    const at = this.placeOf(element)
    const uri = this.layer.contact(element.text, path, at)
    this.namesContacts = true
    let extras: Omit<DrachtioContact, 'uri'> = {}
    const readers = { 'external-ip': externalIp, 'local-net': localNet, 'dns-names': names } as const
    const keys = { 'external-ip': 'externalIp', 'local-net': 'localNet', 'dns-names': 'dnsNames' } as const
    for (const [name, value] of element.attributes) {
      if (!Object.hasOwn(readers, name)) this.ignore(`${path}@${name}`, element, 'it is not known')
      else if (value.trim() !== '') {
        const known = name as keyof typeof readers
        this.layer.guard(`${path}@${name}`, at, () => {
          extras = { ...extras, [keys[known]]: readers[known](value.trim()) }
        })
      }
    }
    if (uri !== undefined) this.contacts.push({ uri, ...extras })
  }

  private spammers(element: XmlElement, path: string): void {
    const actions = { action: 'discard', 'tcp-action': 'discard' } as Record<string, 'reject' | 'discard'>
    for (const [name, value] of element.attributes) {
      if (!Object.hasOwn(actions, name)) this.ignore(`${path}@${name}`, element, 'it is not known')
      else this.layer.guard(`${path}@${name}`, this.placeOf(element), () => (actions[name] = action(value.trim())))
    }
    const headers = element.children.flatMap((header) => {
      const name = header.attributes.get('name')?.trim() ?? ''
      const values = header.children.map((value) => value.text).filter((value) => value !== '')
      if (header.name === 'header' && name !== '' && values.length > 0) return [{ name, values }]
      const why = header.name !== 'header' ? 'it is not known' : name === '' ? 'it has no name' : 'it has no values'
      this.ignore(`${path}/${header.name}`, header, why)
      return []
    })
    const { action: all = 'discard', 'tcp-action': tcp = 'discard' } = actions
    if (headers.length > 0) this.layer.settings.spammers = { action: all, tcpAction: tcp, headers }
  }

  private requestHandler(element: XmlElement, path: string): void {
    const given = (name: string, other: string): string => element.attributes.get(name)?.trim() || other
    const at = this.placeOf(element)
    for (const name of element.attributes.keys())
      if (!['sip-method', 'http-method', 'verify-peer'].includes(name))
        this.ignore(`${path}@${name}`, element, 'it is not known')
    let url = ''
    let method: 'GET' | 'POST' = 'GET'
    let verifyPeer = false
    this.layer.guard(path, at, () => (url = handlerUrl(element.text)))
    this.layer.guard(`${path}@http-method`, at, () => {
      method = httpMethod(given('http-method', 'get')) === 'get' ? 'GET' : 'POST'
    })
    this.layer.guard(`${path}@verify-peer`, at, () => (verifyPeer = yesOrNo(given('verify-peer', 'false'))))
    if (url !== '')
      this.handlers.push({ method: given('sip-method', '*').toUpperCase(), httpMethod: method, url, verifyPeer })
  }

  /** The port is an attribute, the address the text. */
  private prometheus(element: XmlElement, path: string): void {
    const at = this.placeOf(element)
    this.layer.guard(`${path}@port`, at, () => {
      const number = port(text(element.attributes.get('port')?.trim() ?? ''))
      const host = element.text.includes(':') && !element.text.startsWith('[') ? `[${element.text}]` : element.text
      this.layer.settings.prometheus = scrapeAddress(host === '' ? String(number) : `${host}:${number}`)
    })
  }

  private ignore(path: string, element: XmlElement, why: string): void {
    this.layer.ignore(`${path} (${this.placeOf(element)})`, why)
  }

  private placeOf(element: XmlElement): string {
    return `${this.file}:${element.line}`
  }
}
