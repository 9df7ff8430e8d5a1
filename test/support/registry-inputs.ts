import {
  hostileObjects,
  inside,
  longText,
  option,
  sparse,
  type WrongInput,
  wrongNumbers,
  wrongObjects,
  wrongSizes,
  wrongTypes,
} from './bad-input.js'

// Wrong inputs for registries and regions.

/** Right options of a region. */
export const base = { size: '64KiB', pages: 'base' } as const

export const regionOptions: readonly WrongInput[] = [
  ...wrongObjects(base),
  ...option(base, 'size', [undefined, 2 ** 56 + 2 ** 20, ...wrongSizes]),
  ...option(base, 'pages', [7, [], 'huge', '3MiB', '-2MiB', null, true, {}, longText, sparse, hostileObjects()[0]]),
  ...inside(base, 'pages', [[['base', 7], 7]]),
  ...option(base, 'threads', [0, 1025, ...wrongNumbers, ...wrongTypes()]),
  ...option(base, 'backing', [
    'file',
    7,
    {},
    { file: '' },
    { file: 'a\0b' },
    { file: 7 },
    { file: longText },
    ...wrongTypes(),
  ]),
  ...inside(base, 'backing', [
    [{ descriptor: -1 }, -1],
    [{ descriptor: 0.5 }, 0.5],
    [{ descriptor: 2 ** 31 }, 2 ** 31],
    [{ descriptor: '7' }, '7'],
    [{ descriptor: 0, offset: -1 }, -1],
    [{ descriptor: 0, offset: '4KiB' }, '4KiB'],
    [{ descriptor: 0, mayShrink: 1 }, 1],
  ]),
  ...['lock', 'guard', 'dump'].flatMap((flag) => option(base, flag, [0, 1, ...wrongTypes('boolean')])),
  ...option(base, 'numa', [7, { policy: 'local', nodes: [0] }, { policy: 'bind' }, ...wrongTypes()]),
  ...inside(base, 'numa', [
    [{ policy: 'near', nodes: [0] }, 'near'],
    [{ policy: longText, nodes: [0] }, longText],
    [{ policy: 'bind', nodes: sparse }, sparse],
    [{ policy: 'bind', nodes: [-1] }, -1],
    [{ policy: 'bind', nodes: [1024] }, 1024],
    [{ policy: 'bind', nodes: [0.5] }, 0.5],
    [{ policy: 'bind', nodes: ['0'] }, '0'],
    [{ policy: 'bind', nodes: [] }, []],
    [{ policy: 'bind', nodes: 0 }, 0],
    [{ policy: 'bind', nodes: [0], strict: 1 }, 1],
    [{ policy: 'bind', nodes: [0], weights: 1 }, 1],
  ]),
]
const manyKeys = Object.fromEntries(Array.from({ length: 2 ** 17 }, (_, index) => [`key${index}`, base]))
export const wrongNames = [
  '',
  'a b',
  'a/b',
  'é',
  'a\n',
  'a\0',
  'x'.repeat(201),
  longText,
  undefined,
  7,
  ...wrongTypes('string'),
]
export const registryOptions: readonly WrongInput[] = [
  ...wrongObjects({ budget: '1GiB', leaks: 'off' }),
  ...option(
    {},
    'budget',
    wrongSizes.filter((budget) => budget !== 0 && typeof budget !== 'object'),
  ),
  ...option({}, 'budget', [null, ...hostileObjects().slice(0, 3)]),
  ...inside({}, 'budget', [
    [{ total: -1 }, -1],
    [{ totl: 5 }, 5],
    [{ perNode: { 0: 0.5 } }, 0.5],
    [{ perNode: { first: 5 } }, 'first'],
    [{ perPageSize: { '3MiB': 5 } }, '3MiB'],
    [{ perPageSize: [5] }, [5]],
    [{ perPageSize: sparse }, sparse],
    [{ perNode: manyKeys }, manyKeys],
    [{ perNode: { [longText]: 5 } }, undefined],
  ]),
  ...option({}, 'regions', [manyKeys, sparse]),
  ...option({}, 'leaks', ['some', longText, 7, ...wrongTypes()]),
  ...option({}, 'regions', [7, [], ...wrongTypes('object'), null, ...hostileObjects().slice(0, 3)]),
  ...regionOptions.map(({ given, named }) => ({ given: { regions: { wrong: given } }, named })),
  ...inside(
    {},
    'regions',
    wrongNames.filter((name) => typeof name === 'string').map((name) => [{ [name]: base }, name]),
  ),
]
