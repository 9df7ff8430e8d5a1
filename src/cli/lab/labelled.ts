import { Transform } from 'node:stream'

/**
 * The output of one of several machines. Each line begins with the number of the machine. Lines are passed on when they
 * are complete, so that those of two machines do not mix.
 */
export function labelled(stream: NodeJS.WritableStream, host: number): Transform {
  let begun: Buffer[] = []
  const label = Buffer.from(`${host}| `)
  const lines = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      let start = 0
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
        this.push(Buffer.concat([label, ...begun, chunk.subarray(start, end + 1)]))
        begun = []
        start = end + 1
      }
      if (start < chunk.length) begun.push(chunk.subarray(start))
      done()
    },
    flush(done) {
      if (begun.length > 0) this.push(Buffer.concat([label, ...begun, Buffer.from('\n')]))
      done()
    },
  })
  lines.pipe(stream, { end: false })
  return lines
}
