import { Option, type Command } from 'commander'
import { given } from '../model/given.js'
import { connectTo, edgeCommand, print, readNumber, several, type EdgeOptions } from './edge-command.js'
import { CliError, exitCodes } from './errors.js'
import type { Io } from './io.js'
import { importFile } from './file-import.js'
import type { NumberView } from './number.js'
import { fields } from './text.js'
import { addTrunkOptions, textOf, trunkFieldsOf, type RawOptions } from './trunk-options.js'

type ImportOptions = EdgeOptions & RawOptions

const MAX_CONCURRENCY = 64

/** `signalbox number import`: one number by options, or the rows of a file. */
export function importCommand(io: Io): Command {
  const importing = edgeCommand(
    'import',
    'Add a number, on an existing trunk or with the fields of one; or each row of a CSV file',
    'signalbox number import +14155550100 --agent front --allowed-address 192.0.2.0/24',
    'signalbox number import "(415) 555-0100" --country US --agent front --sip-domain pbx.example.com \\\n' +
      '      --username u --password-stdin --outbound-proxy "sip:192.0.2.7:5065;transport=tcp" --register < password',
    'signalbox number import --file numbers.csv --dry-run --report refused.csv',
  )
    .argument('[number]', 'in any usual spelling')
    .option('--agent <id>', 'who answers its calls')
    .addOption(new Option('--inbound-agent <id>', 'the same as --agent').hideHelp())
    .option('--outbound-agent <id>', 'who may call with it; may be given several times', several)
    .option('--replace', 'take the number over from the agent it has now')
    .option('--extension', 'the number is an extension or another id, not a phone number')
    .option('--disabled', 'refuse its calls for now')
    .option('--label <text>', 'for people')
    .addOption(new Option('--termination-uri <host>', 'the same as --sip-domain').hideHelp())
    .option('--trunk <id>', 'an existing trunk, in place of the options below')
  return addTrunkOptions(importing)
    .option('--dry-run', 'check everything and write nothing')
    .option(
      '--file <csv>',
      'rows under the names of the API (register.enabled; lists separated by ";"); other options hold for every row',
    )
    .option('--report <csv>', 'with --file: list the refused rows there, each with its line, number and reason')
    .option('--concurrency <n>', `with --file: rows under way at the same time, 1 to ${MAX_CONCURRENCY}`, '8')
    .option('--from-line <n>', 'with --file: leave out the rows before this line')
    .action(async (number: string | undefined, options: ImportOptions) => {
      if ((number === undefined) === (options['file'] === undefined))
        throw new CliError('give a number, or --file with a file of them', exitCodes.usage)
      const body = await importBody(number, options, io)
      if (number === undefined) await importRows(body, options, io)
      else await importOne(body, options, io)
    })
}

async function importOne(body: Record<string, unknown>, options: ImportOptions, io: Io): Promise<void> {
  const dryRun = options['dryRun'] === true
  const path = dryRun ? '/v1/numbers?dry_run=true' : '/v1/numbers'
  const view = await connectTo(options).ask<NumberView>('POST', path, body)
  const { phone_number, trunk_id, trunk } = view
  print(io, options, view, () =>
    [
      dryRun
        ? `number ${phone_number} would be imported on ${trunk_id === 'new' ? 'a new trunk' : `trunk ${trunk_id}`}`
        : `number ${phone_number} imported on trunk ${trunk_id}`,
      fields({
        agent: view.inbound_agent_id,
        'send calls to': view.origination_uris,
        'allow these addresses': view.allow_addresses,
        'calls go to': view.next_hop,
        'registers at': view.registration_next_hop,
        'source addresses': trunk?.allowed_addresses,
      }),
    ].join('\n'),
  )
}

async function importRows(base: Record<string, unknown>, options: ImportOptions, io: Io): Promise<void> {
  const text = (name: string): string | undefined => textOf(options, name)
  const concurrency = readNumber('--concurrency', text('concurrency')) ?? 8
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > MAX_CONCURRENCY)
    throw new CliError(`--concurrency must be 1 to ${MAX_CONCURRENCY}`, exitCodes.usage)
  await importFile(connectTo(options), io, {
    file: text('file') ?? '',
    base,
    dryRun: options['dryRun'] === true,
    json: options.json === true,
    report: text('report'),
    concurrency,
    fromLine: readNumber('--from-line', text('fromLine')) ?? 1,
  })
}

/** The request that the options stand for. @throws {CliError} */
export async function importBody(
  number: string | undefined,
  options: ImportOptions,
  io: Io,
): Promise<Record<string, unknown>> {
  const text = (name: string): string | undefined => textOf(options, name)
  const { register, ...trunk } = await trunkFieldsOf(options, io)
  return given({
    phone_number: number,
    kind: options['extension'] === true ? 'extension' : undefined,
    label: text('label'),
    inbound_agent_id: text('agent') ?? text('inboundAgent'),
    outbound_agent_ids: Array.isArray(options['outboundAgent']) ? options['outboundAgent'] : undefined,
    replace: options['replace'] === true ? true : undefined,
    enabled: options['disabled'] === true ? false : undefined,
    trunk_id: text('trunk'),
    termination_uri: text('terminationUri'),
    ...trunk,
    // Who says how often wants it to register.
    register: register === undefined ? undefined : { enabled: true, ...register },
  })
}
