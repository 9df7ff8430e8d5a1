export {
  type BestPageSizeOptions,
  bestPageSize,
  type PageList,
  type PageListOptions,
  type PageSizes,
  pageList,
} from './best-page-size.js'
export type { DeviceTable } from './device-table.js'
export {
  decodeHmcPageDescriptor,
  decodeHmcSegmentDescriptor,
  type HmcDirectSegment,
  type HmcPagedSegment,
  type HmcPageTable,
  type HmcPageTableOptions,
  type HmcSegment,
  type HmcSegmentDescriptor,
  hmcPageTable,
} from './hmc-page-table.js'
export { type NvmePrpList, type NvmePrpListOptions, nvmePrpList, type PrpListPage } from './nvme-prp-list.js'
export { type PageTable, pageTable } from './page-table.js'
export { type ScatterGatherList, type ScatterGatherListOptions, scatterGatherList } from './scatter-gather-list.js'
