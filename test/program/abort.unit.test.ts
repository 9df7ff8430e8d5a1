import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { onAbort } from '../../src/abort.js'

test('many waits for one signal are one listener, and each is called once, unless it was removed', () => {
  const controller = new AbortController()
  const { signal } = controller
  const called: string[] = []
  const same = () => called.push('same')
  const stops = Array.from({ length: 20 }, (_, index) => onAbort(signal, () => called.push(`${index}`)))
  onAbort(signal, same)
  onAbort(signal, same)
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  for (const stop of stops.slice(3)) stop()
  controller.abort()
  expect(called).toEqual(['0', '1', '2', 'same', 'same'])
  expect(getEventListeners(signal, 'abort')).toEqual([])
  for (const stop of stops) stop()
})

test('an event that the program makes itself is no abort', () => {
  const controller = new AbortController()
  const called: string[] = []
  onAbort(controller.signal, () => called.push('aborted'))
  controller.signal.dispatchEvent(new Event('abort'))
  expect(called).toEqual([])
  controller.abort()
  expect(called).toEqual(['aborted'])
})

test('nothing listens to a signal after the last wait, and the next wait listens again', () => {
  const controller = new AbortController()
  const { signal } = controller
  const called: string[] = []
  const stops = ['one', 'two'].map((name) => onAbort(signal, () => called.push(name)))
  for (const stop of [...stops, ...stops]) stop()
  expect(getEventListeners(signal, 'abort')).toEqual([])
  const stop = onAbort(signal, () => called.push('three'))
  stops[0]?.()
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  controller.abort()
  stop()
  expect(called).toEqual(['three'])
})
