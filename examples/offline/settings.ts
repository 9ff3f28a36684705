/** What the visitor can choose. */
export interface Settings {
  /** How many key phrases the report names. */
  readonly phrases: number;
  /** Words with fewer letters are not key phrases. */
  readonly minLetters: number;
  /** The shortest time of a step, in milliseconds. The work itself is too fast to watch. */
  readonly paceMs: number;
}

export const usualSettings: Settings = { phrases: 8, minLetters: 4, paceMs: 900 };

/** The file in the form of the run's input. */
export interface Inputs {
  readonly name: string;
  readonly text: string;
  readonly settings: Settings;
}
