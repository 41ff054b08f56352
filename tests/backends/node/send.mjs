// Sends traces, metrics and logs with the real OpenTelemetry JavaScript SDK, as OTLP over HTTP in JSON, and prints as
// JSON on stdout what it sent. Everything but the clock follows from the seed, so that a test can name what it expects.
// The attributes carry sensitive-looking values (patient_id as integer and as string, an e-mail address, a social
// security number): what a redactor has to find. All of them are made up.
//
//   node send.mjs --endpoint http://127.0.0.1:4318 [--seed 1] [--count 3] [--signals traces,metrics,logs]
//
// Exit code 1, with the reason on stderr, when an exporter reports that the server did not take its data.

import { parseArgs } from 'node:util';

import { SpanKind, SpanStatusCode, context, trace } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';

const SERVICE = 'node-otlp';
const SCOPE = 'telescrub-tests';
const SOCIAL_SECURITY_NUMBER = '536-90-4399';

/** Ids that follow from the seed; the top bit keeps them from ever being all zeros. */
class SeededIds {
  constructor(seed) {
    this.state = BigInt(seed);
  }

  /** splitmix64: https://prng.di.unimi.it/splitmix64.c */
  next() {
    const mask = 0xffffffffffffffffn;
    this.state = (this.state + 0x9e3779b97f4a7c15n) & mask;
    let mixed = this.state;
    mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & mask;
    return (mixed ^ (mixed >> 31n)) | (1n << 63n);
  }

  generateSpanId() {
    return this.next().toString(16).padStart(16, '0');
  }

  generateTraceId() {
    return this.generateSpanId() + this.generateSpanId();
  }
}

/** Collects when asked to and never on a timer. */
class ManualReader extends MetricReader {
  async onForceFlush() {}
  async onShutdown() {}
}

/** The attributes of visit number `index`: what applications should not send, but do. */
function sensitiveAttributes(seed, index) {
  const patient = 1_000_000 + seed * 1_000 + index;
  return {
    'patient_id': patient,
    'patient.id': `MRN-${patient}`,
    'user.email': `patient.${patient}@example.org`,
    'note': `seen today, SSN ${SOCIAL_SECURITY_NUMBER}`,
    'ward': `ward-${index % 3}`,
  };
}

function nanoseconds([seconds, rest]) {
  return (BigInt(seconds) * 1_000_000_000n + BigInt(rest)).toString();
}

/** A URL for one signal: the OTLP paths under the endpoint. */
function urlOf(endpoint, signal) {
  return `${endpoint.replace(/\/$/, '')}/v1/${signal}`;
}

function exported(exporter, data) {
  return new Promise((resolve, reject) => {
    exporter.export(data, (result) => (result.code === 0 ? resolve() : reject(result.error ?? new Error('not taken'))));
  });
}

async function sendTraces(endpoint, resource, seed, count) {
  const memory = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({
    resource,
    idGenerator: new SeededIds(seed),
    spanProcessors: [new SimpleSpanProcessor(memory)],
  });
  const tracer = provider.getTracer(SCOPE, '1.0.0');
  for (let index = 0; index < count; index += 1) {
    const attributes = sensitiveAttributes(seed, index);
    const visit = tracer.startSpan(`visit ${index}`, { kind: SpanKind.SERVER, attributes });
    const inVisit = trace.setSpan(context.active(), visit);
    const lookup = tracer.startSpan('lookup', { kind: SpanKind.CLIENT, attributes }, inVisit);
    lookup.addEvent('row read', attributes);
    lookup.setStatus({ code: SpanStatusCode.ERROR, message: `no bed for SSN ${SOCIAL_SECURITY_NUMBER}` });
    lookup.end();
    visit.end();
  }
  const spans = memory.getFinishedSpans();
  await exported(new OTLPTraceExporter({ url: urlOf(endpoint, 'traces') }), spans);
  return spans.map((span) => ({
    trace_id: span.spanContext().traceId,
    span_id: span.spanContext().spanId,
    parent_span_id: span.parentSpanContext?.spanId ?? null,
    name: span.name,
    start_time_unix_nano: nanoseconds(span.startTime),
    end_time_unix_nano: nanoseconds(span.endTime),
    attributes: span.attributes,
  }));
}

async function sendMetrics(endpoint, resource, seed, count) {
  const reader = new ManualReader();
  const meter = new MeterProvider({ resource, readers: [reader] }).getMeter(SCOPE, '1.0.0');
  const visits = meter.createCounter('clinic.visits', { description: 'visits so far', unit: '{visit}' });
  const duration = meter.createHistogram('clinic.visit.duration', { description: 'how long a visit took', unit: 's' });
  const waiting = meter.createUpDownCounter('clinic.waiting', { description: 'people waiting', unit: '{person}' });
  for (let index = 0; index < count; index += 1) {
    const attributes = sensitiveAttributes(seed, index);
    visits.add(index + 1, attributes);
    duration.record((index + 1) * 0.5, attributes);
    waiting.add(index, attributes);
  }
  const { resourceMetrics } = await reader.collect();
  await exported(new OTLPMetricExporter({ url: urlOf(endpoint, 'metrics') }), resourceMetrics);
  return resourceMetrics.scopeMetrics.flatMap(({ metrics }) =>
    metrics.flatMap(({ descriptor, dataPoints }) =>
      dataPoints.map((point) => ({
        name: descriptor.name,
        unit: descriptor.unit,
        value: typeof point.value === 'number' ? point.value : { sum: point.value.sum, count: point.value.count },
        start_time_unix_nano: nanoseconds(point.startTime),
        time_unix_nano: nanoseconds(point.endTime),
        attributes: point.attributes,
      })),
    ),
  );
}

async function sendLogs(endpoint, resource, seed, count) {
  const memory = new InMemoryLogRecordExporter();
  const provider = new LoggerProvider({ resource, processors: [new SimpleLogRecordProcessor({ exporter: memory })] });
  const logger = provider.getLogger(SCOPE, '1.0.0');
  for (let index = 0; index < count; index += 1) {
    logger.emit({
      severityNumber: SeverityNumber.INFO,
      severityText: 'INFO',
      body: `visit ${index} of patient.${index}@example.org, SSN ${SOCIAL_SECURITY_NUMBER}`,
      attributes: sensitiveAttributes(seed, index),
    });
  }
  const records = memory.getFinishedLogRecords();
  await exported(new OTLPLogExporter({ url: urlOf(endpoint, 'logs') }), records);
  return records.map((record) => ({
    body: record.body,
    severity_text: record.severityText,
    time_unix_nano: nanoseconds(record.hrTime),
    observed_time_unix_nano: nanoseconds(record.hrTimeObserved),
    attributes: record.attributes,
  }));
}

const SENDERS = { traces: sendTraces, metrics: sendMetrics, logs: sendLogs };

async function main() {
  const { values } = parseArgs({
    options: {
      endpoint: { type: 'string' },
      seed: { type: 'string', default: '1' },
      count: { type: 'string', default: '3' },
      signals: { type: 'string', default: 'traces,metrics,logs' },
    },
  });
  const seed = Number(values.seed);
  const count = Number(values.count);
  if (!values.endpoint || !Number.isSafeInteger(seed) || seed < 0 || !Number.isSafeInteger(count) || count < 1) {
    throw new Error('needs --endpoint URL, and --seed and --count as whole numbers (a count of at least 1)');
  }
  const resource = resourceFromAttributes({ 'service.name': SERVICE, 'host.name': `bed-${seed}` });
  const sent = { service_name: SERVICE, seed };
  for (const signal of values.signals.split(',')) {
    if (!(signal in SENDERS)) {
      throw new Error(`unknown signal ${signal}; valid are ${Object.keys(SENDERS).join(', ')}`);
    }
    sent[signal] = await SENDERS[signal](values.endpoint, resource, seed, count);
  }
  process.stdout.write(`${JSON.stringify(sent, null, 1)}\n`);
}

main().catch((error) => {
  process.stderr.write(`send.mjs: ${error.message}\n`);
  process.exitCode = 1;
});
