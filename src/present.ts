/** `T` without `undefined` values: fields that may be `undefined` are optional instead. */
type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** A record without its fields that are `undefined`. An absent field is not a key. */
export function present<T extends object>(fields: T): Present<T> {
  return asPresent(Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)));
}

function asPresent<T>(fields: object): Present<T> {
  return fields as Present<T>;
}
