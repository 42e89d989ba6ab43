export { CallCapture, type CallCaptureOptions, type CapturedExchange, type CapturedRoute } from './capture/call-capture.ts';
export {
  type CaptureConfig,
  captureBucketDefault,
  captureDefault,
  checkCapture,
  parseCaptureDestination,
} from './capture/capture-config.ts';
export { CaptureFiles } from './capture/capture-files.ts';
export type { WireBody } from './capture/capture-line.ts';
export { checkDestination } from './capture/check-destination.ts';
export { labelledCalls } from './capture/labelled-calls.ts';
export { type CaptureReader, readCaptured } from './capture/read-captured.ts';
export type { FeatureBaseline } from './drift/baseline.ts';
export { type Baseline } from './drift/baseline-rows.ts';
export { DriftMonitor, type DriftView, type FeatureValues, outputFeatures } from './drift/drift-monitor.ts';
export { windowMs as driftWindowMs } from './drift/drift-window.ts';
export { featureRows, predictionsOf } from './drift/features.ts';
export { postedBaseline, type RowsBaseline } from './drift/posted-baseline.ts';
export { baselinesOf, type DriftReport, driftReport, type FeatureDrift } from './drift/report.ts';
export { agreementRuling, type DriftRuling, escalationRuling } from './drift/share-rulings.ts';
export { type ShareBaseline, ShareWatch, type StoredShare } from './drift/share-watch.ts';
export { type AcceptedLabels, GroundTruth } from './labels/ground-truth.ts';
export type { DiscordantPairs, HitCounts, LabelledAnswers, LiveQuality, ShadowPrediction } from './labels/prediction-rows.ts';
export { type LabelInput, readLabels, readLabelsTask, someOf } from './labels/read-labels.ts';
export { type CallToLabel, toLabelMax } from './labels/to-label.ts';
