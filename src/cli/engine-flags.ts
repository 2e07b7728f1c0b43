import { Option, type Command } from 'commander'
import {
  type ContactFlag,
  type DrachtioFlags,
  longName,
  noEffects,
  type Setting,
  settings,
  type SettingName,
} from '../config/index.js'
import { CliError, exitCodes } from './errors.js'

/** What commander has read: the text of a flag, or true for one without a value. */
type Given = Readonly<Record<string, string | true | undefined>>

/**
 * Gives a command every flag that drachtio-server has.
 * @returns what reads them, once the command line is parsed
 */
export function addDrachtioFlags(command: Command): () => DrachtioFlags {
  const contacts: ContactFlag[] = []
  /** What holds for all contacts, since it was given before any. */
  const common: { externalIp?: string } = {}
  const last = (flag: string): ContactFlag => {
    const contact = contacts.at(-1)
    if (contact === undefined) throw new CliError(`${flag} must follow the --contact it is for`, exitCodes.usage)
    return contact
  }
  command
    .option(
      '-c, --contact <uri>',
      'where to listen for SIP: sip:192.0.2.1:5060;transport=udp,tcp, or sip:* for all addresses; several times for several contacts (default: loopback, port 5060)',
      (contact: string) => void contacts.push({ contact }),
    )
    .option(
      '-x, --external-ip <address>',
      'address that peers see of the contact before it; before any contact, of all that have none',
      (externalIp: string) => void Object.assign(contacts.at(-1) ?? common, { externalIp }),
    )
    .option(
      '-n, --local-net <cidr>',
      'net whose peers are sent to from the contact before it',
      (localNet: string) => void (last('--local-net').localNet = localNet),
    )
    .option(
      '-d, --dns-name <name>',
      'host name that means the contact before it; several times for several names',
      (name: string) => {
        const contact = last('--dns-name')
        contact.dnsNames = [...(contact.dnsNames ?? []), name]
      },
    )
    .option('-f, --file <file>', 'XML configuration of drachtio (default: /etc/drachtio.conf.xml if it is there)')
    .option('--noconfig', 'no XML configuration is read')
  for (const { flag, help } of Object.values<Setting<unknown>>(settings))
    if (flag !== undefined) command.option(flag, help)
  for (const { flag } of noEffects) if (flag !== undefined) command.addOption(new Option(flag).hideHelp())
  command.allowUnknownOption().allowExcessArguments()
  command.addHelpText('after', () => `\n${unsupported()}`)

  return () => {
    const given: Given = command.opts()
    return {
      values: valuesOf(given),
      ...(contacts.length === 0 ? {} : { contacts }),
      ...(typeof given.file === 'string' ? { file: given.file } : {}),
      noConfig: given.noconfig === true,
      noEffect: noEffects.flatMap(({ flag }) =>
        flag !== undefined && given[attributeOf(flag)] !== undefined ? [flag] : [],
      ),
      unknown: unknownOf(command.args),
      ...common,
    }
  }
}

function valuesOf(given: Given): { readonly [name in SettingName]?: string } {
  const values: { [name in SettingName]?: string } = {}
  for (const [name, { flag }] of Object.entries<Setting<unknown>>(settings)) {
    const value = flag === undefined ? undefined : given[attributeOf(flag)]
    if (value !== undefined) values[name as SettingName] = String(value)
  }
  return values
}

const attributeOf = (flag: string): string => new Option(flag).attributeName()

/** The flags nobody knows, each without what may be its value, and arguments that no flag wants. */
function unknownOf(args: readonly string[]): string[] {
  return args.flatMap((arg, i) => {
    if (arg.startsWith('-') && arg !== '-') return [arg.replace(/=.*/s, '')]
    return args[i - 1]?.startsWith('-') === true ? [] : [arg]
  })
}

function unsupported(): string {
  const lines = noEffects.map(({ flag, env = [], xml = [], why }) => {
    const places = [...(flag === undefined ? [] : [longName(flag)]), ...env, ...xml.map((path) => `<${path}>`)]
    return `  ${places.join(', ')}: ${why}`
  })
  return [
    "Each of these is also a variable or an element of drachtio's own name; the command line stands over the environment, that over",
    'the XML file, and that over our configuration. Accepted, named at the start, and without effect:',
    ...lines,
    '  transports ws and wss: WebSocket is not supported',
    'What is not known is named likewise.',
  ].join('\n')
}
