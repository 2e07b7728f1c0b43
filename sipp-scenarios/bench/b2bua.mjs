// The smallest B2BUA that drachtio-srf allows: every call goes to one agent, and when either leg ends the other does.
// node b2bua.mjs <control port> <secret> <agent's SIP URI>
import Srf from 'drachtio-srf'

const [port, secret, agent] = process.argv.slice(2)
const srf = new Srf()

srf.connect({ host: '127.0.0.1', port: Number(port), secret })
srf.on('connect', (error) => process.stdout.write(error ? `${error.message}\n` : 'connected\n'))
srf.on('error', (error) => process.stdout.write(`${error.message}\n`))

srf.invite(async (req, res) => {
  try {
    const { uas, uac } = await srf.createB2BUA(req, res, agent, { localSdpB: req.body })
    uas.on('destroy', () => uac.destroy())
    uac.on('destroy', () => uas.destroy())
  } catch (error) {
    process.stdout.write(`${error.message}\n`)
  }
})
