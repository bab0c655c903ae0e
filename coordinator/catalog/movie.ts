/** What people and imports say of a movie. */
export interface MovieFields {
  readonly title: string;
  readonly originalTitle: string | null;
  readonly year: number | null;
  readonly directors: readonly string[];
  /** In their one way of writing; see `Genres`. */
  readonly genres: readonly string[];
  /** 0 to 10, at most two decimals. */
  readonly score: number | null;
  /** 0 to 100, at most two decimals. */
  readonly popularity: number | null;
  readonly runtimeMinutes: number | null;
  readonly synopsis: string | null;
  readonly poster: string | null;
  readonly videoId: string | null;
}

export interface Movie extends MovieFields {
  /** UUIDv7, lower-case. */
  readonly id: string;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What finding a movie takes. */
export type IndexedMovie = Pick<
  Movie,
  'id' | 'title' | 'originalTitle' | 'year' | 'directors' | 'genres' | 'score' | 'popularity' | 'synopsis'
>;
