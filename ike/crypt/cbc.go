package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"fmt"

	"github.com/twinspan/twinspan/xfrm"
)

// CBC is a block cipher in CBC mode, as IKEv1 encrypts its messages. It keeps
// no IV: which one is next is known to the exchange. It may be used by several
// goroutines.
type CBC struct{ block cipher.Block }

// NewCBC makes a cipher. Weak keys are not refused here: those of phase 1 are
// passed over by CipherKey, those of an ESP SA are found by CheckKey.
func NewCBC(c xfrm.Cipher, key []byte) (*CBC, error) {
	block, err := newBlock(c, key)
	if err != nil {
		return nil, fmt.Errorf("key of %v: %w", c, err)
	}
	return &CBC{block}, nil
}

func newBlock(c xfrm.Cipher, key []byte) (cipher.Block, error) {
	switch c {
	case xfrm.DESCBC:
		return des.NewCipher(key)
	case xfrm.TripleDESCBC:
		return des.NewTripleDESCipher(key)
	case xfrm.AESCBC:
		return aes.NewCipher(key)
	}
	return nil, fmt.Errorf("no such cipher")
}

// BlockSize is the size of a block, and of the IV, in bytes.
func (c *CBC) BlockSize() int { return c.block.BlockSize() }

// Encrypt encrypts src into dst, which may be the same slice. The IV has
// BlockSize bytes and src has whole blocks; Encrypt panics if not.
func (c *CBC) Encrypt(iv, dst, src []byte) {
	cipher.NewCBCEncrypter(c.block, iv).CryptBlocks(dst, src)
}

// Decrypt decrypts src into dst, which may be the same slice. The IV has
// BlockSize bytes and src has whole blocks; Decrypt panics if not, so the length
// of what a peer sent is to be checked before.
func (c *CBC) Decrypt(iv, dst, src []byte) {
	cipher.NewCBCDecrypter(c.block, iv).CryptBlocks(dst, src)
}
