/** The chunks of a stream. */
export const chunks = 200
