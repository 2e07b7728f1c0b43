/** The version of drachtio-server that clients and HTTP servers are told: drachtio-srf reads in it what its server can do. */
export const VERSION = 'v0.9.10'
