/** The services of the platform that are told what happens here. */
export const NEIGHBOURS = ["commandcentral", "vislzr", "idealzr"] as const;
export type NeighbourName = (typeof NEIGHBOURS)[number];
