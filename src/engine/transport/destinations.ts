/** Where a message came from: sending back there is no new destination. */
export interface Source {
  readonly address: string
  readonly port: number
}

/** Says where nothing may be sent, and why. */
export interface Destinations {
  /**
   * Why nothing may be sent to an address and port; undefined: it may. Asked for every request, so it has to be quick.
   * @param address IP literal without brackets
   * @param peer where messages of whoever is sent to came from
   */
  refusal(address: string, port: number, peer?: Source): string | undefined
}
