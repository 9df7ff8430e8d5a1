/** The least bytes of a red zone. The bytes up to the next granule belong to it, too. */
export const redZoneBytes = 16

/** Not a byte of a text or of a small number; and not 0, which many programs write past an end. */
const mark = 0xfd

/** Marks bytes that no program may write to. */
export function markRedZone(bytes: Uint8Array): void {
  bytes.fill(mark)
}

/** Index of the first marked byte that a program has written to; -1 when there is none. */
export function firstWritten(bytes: Uint8Array): number {
  return bytes.findIndex((byte) => byte !== mark)
}
