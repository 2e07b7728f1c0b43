/**
 * Stands where drachtio-srf's requests and responses would look for the package `delegates`, which has every access to a message go
 * through one place for all names, too busy for the compiler to make anything of: here each name has a place of its own.
 */

interface Message {
  method: unknown
  uri: unknown
  headers: unknown
  body: unknown
  payload: unknown
  status: unknown
  reason: unknown
  readonly type: unknown
  readonly raw: unknown
  readonly callingNumber: unknown
  readonly callingName: unknown
  readonly calledNumber: unknown
  readonly canFormDialog: unknown
  get(name: unknown): unknown
  has(name: unknown): unknown
  set(name: unknown, value?: unknown): unknown
  getHeaderName(name: unknown): unknown
  getParsedHeader(name: unknown): unknown
}

interface Carrier {
  readonly msg: Message
}

const places: ThisType<Carrier> = {
  get method() {
    return this.msg.method
  },
  set method(value) {
    this.msg.method = value
  },
  get uri() {
    return this.msg.uri
  },
  set uri(value) {
    this.msg.uri = value
  },
  get headers() {
    return this.msg.headers
  },
  set headers(value) {
    this.msg.headers = value
  },
  get body() {
    return this.msg.body
  },
  set body(value) {
    this.msg.body = value
  },
  get payload() {
    return this.msg.payload
  },
  set payload(value) {
    this.msg.payload = value
  },
  get status() {
    return this.msg.status
  },
  set status(value) {
    this.msg.status = value
  },
  get reason() {
    return this.msg.reason
  },
  set reason(value) {
    this.msg.reason = value
  },
  get type() {
    return this.msg.type
  },
  get raw() {
    return this.msg.raw
  },
  get callingNumber() {
    return this.msg.callingNumber
  },
  get callingName() {
    return this.msg.callingName
  },
  get calledNumber() {
    return this.msg.calledNumber
  },
  get canFormDialog() {
    return this.msg.canFormDialog
  },
  get(name: unknown) {
    return this.msg.get(name)
  },
  has(name: unknown) {
    return this.msg.has(name)
  },
  set(name: unknown, value: unknown) {
    return this.msg.set(name, value)
  },
  getHeaderName(name: unknown) {
    return this.msg.getHeaderName(name)
  },
  getParsedHeader(name: unknown) {
    return this.msg.getParsedHeader(name)
  },
}

/** What `delegates` gives for one prototype. */
interface Delegator {
  method(name: string): this
  access(name: string): this
  getter(name: string): this
}

export type Delegates = (prototype: object, target: string) => Delegator

/** The package, but for what requests and responses ask of their message. */
export function delegatesOr(ordinary: unknown): Delegates {
  const fallback = ordinary as Delegates
  return (prototype, target) => {
    if (target !== 'msg') return fallback(prototype, target)
    const define = (name: string, otherwise: () => unknown, settable = true): Delegator => {
      const place = Object.getOwnPropertyDescriptor(places, name)
      if (place === undefined) otherwise()
      else {
        if (!settable) delete place.set
        Object.defineProperty(prototype, name, place)
      }
      return delegator
    }
    const delegator: Delegator = {
      method: (name) => define(name, () => fallback(prototype, target).method(name)),
      access: (name) => define(name, () => fallback(prototype, target).access(name)),
      getter: (name) => define(name, () => fallback(prototype, target).getter(name), false),
    }
    return delegator
  }
}
