import * as devalue from "devalue";
import { decodeValue, encodeValue, parseJson } from "../src/codec/index.ts";
import type { Bench, Scale } from "./bench.ts";
import { kilobyte, utf8 } from "./programs/growing.ts";
import { interleaved, type Spread, spreadOf } from "./spread.ts";
import type { Cell } from "./table.ts";

/** A way to encode a value as text, and to decode it. */
interface Codec {
  encode(value: unknown): string;
  decode(text: string): unknown;
}

const codecs: Readonly<Record<string, Codec>> = {
  "orca-durable": {
    encode: (value) => JSON.stringify(encodeValue(value, "value")),
    decode: (text) => decodeValue(parseJson(text), "value"),
  },
  JSON: { encode: (value) => JSON.stringify(value), decode: (text) => JSON.parse(text) },
  devalue: { encode: (value) => devalue.stringify(value), decode: (text) => devalue.parse(text) },
};

interface Sample {
  readonly name: string;
  readonly value: unknown;
  /** Whether plain JSON restores the value. */
  readonly isPlain: boolean;
}

const sizes: Readonly<Record<Scale, { readonly items: number; readonly rounds: number }>> = {
  full: { items: 400, rounds: 15 },
  short: { items: 4, rounds: 1 },
};

export const codec: Bench = {
  id: "e",
  title: "The codec of values, next to JSON and devalue",
  async measure(_media, scale) {
    const { items, rounds } = sizes[scale];
    const rows: Record<string, Cell>[] = [];
    for (const { name, value, isPlain } of samples(items)) {
      const able = Object.entries(codecs).filter(([codec]) => isPlain || codec !== "JSON");
      const measured = new Map<string, { bytes: number; encode: Spread; decode: Spread }>();
      const texts = new Map(able.map(([codec, { encode }]) => [codec, encode(value)]));
      const encoded = await throughputs(rounds, able, texts, ({ encode }) => encode(value));
      const decoded = await throughputs(rounds, able, texts, ({ decode }, text) => decode(text));
      for (const [codec] of able) {
        const [encode, decode] = [encoded[codec], decoded[codec]];
        if (encode && decode) measured.set(codec, { bytes: utf8(texts.get(codec) ?? ""), encode, decode });
      }
      for (const [codec, cells] of measured) rows.push({ sample: name, codec, ...cells });
    }
    return {
      columns: [
        { key: "sample", title: "value" },
        { key: "codec", title: "by" },
        { key: "bytes", title: "text", unit: "bytes" },
        { key: "encode", title: "encode", unit: "MB/s" },
        { key: "decode", title: "decode", unit: "MB/s" },
      ],
      rows,
      notes: [
        "Megabytes of the codec's own text per second; the number in parentheses is the slowest round. JSON returns only the plain value, and checks nothing.",
        "Ours rejects values that it could not decode again, and numbers that JSON would change. To encode it looks at every value; to decode it scans the text and looks at every value.",
      ],
    };
  },
};

/** The throughput of each codec in megabytes per second, measured in turns. Every round lasts long enough for the clock. */
async function throughputs(
  rounds: number,
  able: readonly (readonly [string, Codec])[],
  texts: ReadonlyMap<string, string>,
  work: (codec: Codec, text: string) => unknown,
): Promise<Record<string, Spread>> {
  const sides = Object.fromEntries(
    able.map(([name, codec]) => {
      const text = texts.get(name) ?? "";
      const bytes = utf8(text);
      const side = async () => {
        const start = performance.now();
        let times = 0;
        for (; performance.now() - start < 20 || times === 0; times++) work(codec, text);
        return (bytes * times) / 1_000 / (performance.now() - start);
      };
      return [name, side];
    }),
  );
  await interleaved(1, sides);
  const results = await interleaved(rounds, sides);
  return Object.fromEntries(Object.entries(results).map(([name, values]) => [name, spreadOf(values)]));
}

function samples(items: number): readonly Sample[] {
  const indexes = Array.from({ length: items }, (_, index) => index);
  return [
    { name: "long texts", isPlain: true, value: { results: indexes.map(kilobyte) } },
    {
      name: "many small fields",
      isPlain: true,
      value: indexes.map((index) => ({
        id: `item ${index}`,
        price: index * 1.25,
        isSold: index % 3 === 0,
        note: null,
        tags: ["a", "b", { deep: [index, index + 1, index + 2] }],
        customer: { name: "Alice", city: "Łódź", orders: index },
      })),
    },
    {
      name: "dates, maps, sets, bigints, bytes",
      isPlain: false,
      value: indexes.map((index) => ({
        at: new Date(index * 1_000),
        count: BigInt(index),
        names: new Map([["first", index] as const, ["second", index + 1] as const]),
        seen: new Set([index, `${index}`]),
        bytes: new Uint8Array(32).fill(index),
        none: undefined,
      })),
    },
  ];
}
