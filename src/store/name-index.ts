/** Finds the ids that go by a name. */
export class NameIndex {
  private readonly ids = new Map<string, Set<string>>()
  private readonly names = new Map<string, string>()

  /** Makes this the name of `id`; undefined takes it out. */
  set(id: string, name: string | undefined): void {
    const former = this.names.get(id)
    if (former === name) return
    if (former !== undefined) this.remove(id, former)
    if (name === undefined) return
    this.names.set(id, name)
    const ids = this.ids.get(name) ?? new Set<string>()
    this.ids.set(name, ids.add(id))
  }

  /** The ids of that name, those named first before the others. */
  find(name: string): string[] {
    return [...(this.ids.get(name) ?? [])]
  }

  private remove(id: string, name: string): void {
    this.names.delete(id)
    const ids = this.ids.get(name)
    ids?.delete(id)
    if (ids?.size === 0) this.ids.delete(name)
  }
}
