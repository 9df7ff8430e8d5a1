/**
 * Lets this thread's event loop open the descriptor that it keeps in reserve. libuv opens /dev/null with the first socket or
 * pipe of a loop (uv__stream_init), to be able to refuse connections when there are no descriptors left. Who counts
 * descriptors before and after something calls this first: otherwise it would count as left behind.
 */
export function openReserveDescriptor(): void {
  const server = process.getBuiltinModule('node:net').createServer()
  server.on('error', () => {}) // it is closed before it could serve anybody
  server.listen({ path: `\0pinfold-reserve-${process.pid}-${Math.random()}` }).close()
}
